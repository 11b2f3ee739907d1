// What it is: see grants.h.
#include "httpd/grants.h"

#include "httpd/accounts.h"
#include "httpd/config.h"
#include "httpd/lasting.h"
#include "httpd/settings.h"

#include <grp.h>
#include <pwd.h>

#include <cerrno>

namespace itk2::httpd {
namespace {

// Far more than a machine has accounts for sites; a parser that asks for ever new ones comes to an end here.
constexpr std::uint32_t most_identities = 1 << 18;

} // namespace

std::uint32_t vhost_count() {
    std::uint32_t count = 0;
    for (const server_rec *server = ap_server_conf; server != nullptr; server = server->next) count++;
    return count;
}

plan::GrantRule rule_of(VhostIndex vhost) { return grant_rule(vhost); }

bool may_be_granted(IdentityKey key) { return may_be_asked(key); }

bool may_have_nice(int nice) { return is_nice_configured(nice); }

plan::Reserved reserved_accounts() { return lasting()->accounts; }

IdentityKey enter_identity(const plan::Identity &identity) {
    plan::IdentityRegistry registry{lasting()->identities};
    return registry.count() < most_identities ? registry.key_of(identity) : no_identity;
}

AccountEntry look_up_account(uid_t uid, gid_t gid) {
    AccountEntry entry;
    apr_pool_t *pool = nullptr; // lives as long as the process
    if (apr_pool_create(&pool, nullptr) != APR_SUCCESS) {
        entry.error = ENOMEM;
        return entry;
    }
    Account account;
    errno = 0;
    if (find_account(pool, apr_psprintf(pool, "#%u", uid), account) != nullptr) {
        entry.error = errno != 0 ? errno : EIO;
        return entry;
    }
    if (!account.has_entry) return entry;
    if (find_groups(pool, account.name, gid, entry.groups) != nullptr) {
        entry.error = E2BIG;
        return entry;
    }
    entry.is_found = true;
    entry.name = account.name;
    return entry;
}

} // namespace itk2::httpd
