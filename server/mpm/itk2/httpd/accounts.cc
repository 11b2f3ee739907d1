// What it is: see accounts.h.
#include "httpd/accounts.h"

#include "httpd/account_files.h"
#include "os/proc_status.h"
#include "plan/number.h"

#include <dirent.h>
#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <new>

namespace itk2::httpd {

namespace {

constexpr std::uint32_t greatest_id = UINT32_MAX - 1; // the last number means "no id" to the kernel

// getpwnam and its like answer null both for "there is none" and for "could not look".
bool says_there_is_none(int error) {
    return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
}

const char *not_found(apr_pool_t *pool, const char *what, const char *text, int error) {
    if (!says_there_is_none(error))
        return apr_psprintf(pool,
                            "the %s \"%s\" can't be looked up: %s; mend the machine's account database (nsswitch)",
                            what, text, strerror(error));
    const bool is_number = plan::read_number(text, 0, greatest_id).has_value();
    return apr_psprintf(pool, "there is no %s named \"%s\"; create it, or name another%s%s%s", what, text,
                        is_number ? " (a number is written \"#" : "", is_number ? text : "", is_number ? "\")" : "");
}

const char *bad_number(apr_pool_t *pool, const char *text) {
    return apr_psprintf(pool, "\"%s\" is no id; write #NUMBER with a number from 0 to %u", text, greatest_id);
}

const char *keep_entry(apr_pool_t *pool, const passwd &entry, Account &account) {
    account = {apr_pstrdup(pool, entry.pw_name), entry.pw_uid, entry.pw_gid, true};
    return nullptr;
}

using Found = AccountFiles::Found;

constinit AccountFiles *files = nullptr;

apr_status_t forget_files(void *) {
    files->~AccountFiles();
    files = nullptr;
    return APR_SUCCESS;
}

const char *find_user(apr_pool_t *pool, const char *text, Account &account) {
    plan::AccountBook::User user;
    const Found found = files ? files->find_user(text, user) : Found::unknown;
    if (found == Found::yes) account = {apr_pstrdup(pool, user.name.data()), user.uid, user.gid, true};
    if (found == Found::no) return not_found(pool, "user", text, 0);
    if (found != Found::unknown) return nullptr;
    errno = 0;
    if (const passwd *entry = getpwnam(text)) return keep_entry(pool, *entry, account);
    return not_found(pool, "user", text, errno);
}

const char *find_user(apr_pool_t *pool, const char *text, uid_t uid, Account &account) {
    plan::AccountBook::User user;
    const Found found = files ? files->find_user(uid, user) : Found::unknown;
    if (found == Found::yes) {
        account = {apr_pstrdup(pool, user.name.data()), user.uid, user.gid, true};
        return nullptr;
    }
    if (found == Found::unknown) {
        errno = 0;
        if (const passwd *entry = getpwuid(uid)) return keep_entry(pool, *entry, account);
        if (!says_there_is_none(errno)) return not_found(pool, "user", text, errno);
    }
    account = {apr_psprintf(pool, "#%u", uid), uid, uid, false};
    return nullptr;
}

const char *too_many_groups(apr_pool_t *pool, const char *user) {
    return apr_psprintf(pool, "the user \"%s\" is in more groups than the kernel takes (%d)", user, NGROUPS_MAX);
}

void keep_groups(apr_pool_t *pool, std::span<const gid_t> unsorted, std::span<const gid_t> &groups) {
    auto *kept = static_cast<gid_t *>(apr_pmemdup(pool, unsorted.data(), unsorted.size_bytes()));
    std::sort(kept, kept + unsorted.size());
    groups = {kept, std::unique(kept, kept + unsorted.size())};
}

} // namespace

void read_account_files(apr_pool_t *ptemp) {
    if (files) return;
    files = new (apr_palloc(ptemp, sizeof(AccountFiles))) AccountFiles;
    apr_pool_cleanup_register(ptemp, nullptr, forget_files, apr_pool_cleanup_null);
}

const char *find_account(apr_pool_t *pool, const char *text, Account &account) {
    if (text[0] == '#') {
        const auto id = plan::read_number(text + 1, 0, greatest_id);
        return id ? find_user(pool, text, *id, account) : bad_number(pool, text);
    }
    return find_user(pool, text, account);
}

const char *find_group(apr_pool_t *pool, const char *text, gid_t &gid) {
    if (text[0] == '#') {
        const auto id = plan::read_number(text + 1, 0, greatest_id);
        if (!id) return bad_number(pool, text);
        gid = *id;
        return nullptr;
    }
    const Found found = files ? files->find_group(text, gid) : Found::unknown;
    if (found == Found::yes) return nullptr;
    if (found == Found::no) return not_found(pool, "group", text, 0);
    errno = 0;
    if (const group *entry = getgrnam(text)) {
        gid = entry->gr_gid;
        return nullptr;
    }
    return not_found(pool, "group", text, errno);
}

const char *find_groups(apr_pool_t *pool, const char *user, gid_t gid, std::span<const gid_t> &groups) {
    GrowingArray<gid_t> told;
    told.add(gid);
    if (files && files->find_groups(user, gid, told)) {
        keep_groups(pool, told.items(), groups);
        if (groups.size() <= NGROUPS_MAX) return nullptr;
        return too_many_groups(pool, user);
    }
    for (int room = 64; room <= NGROUPS_MAX + 1; room *= 4) {
        auto *found = static_cast<gid_t *>(apr_palloc(pool, static_cast<apr_size_t>(room) * sizeof(gid_t)));
        int count = room;
        if (getgrouplist(user, gid, found, &count) < 0) continue;
        std::sort(found, found + count);
        groups = {found, std::unique(found, found + count)};
        return nullptr;
    }
    return too_many_groups(pool, user);
}

namespace {

constexpr std::uint32_t least_nobody_id = 65000;
constexpr std::uint32_t most_nobody_id = 65533;

bool has(const plan::Identity &identity, std::uint32_t id) {
    return identity.uid == id || identity.gid == id ||
           std::find(identity.groups.begin(), identity.groups.end(), id) != identity.groups.end();
}

bool process_has(const char *pid, std::uint32_t id) {
    char path[48];
    snprintf(path, sizeof path, "/proc/%.20s/status", pid);
    os::ProcStatus status;
    const gid_t wanted[] = {id};
    if (!os::read_proc_status(path, wanted, status).ok()) return false; // it has just ended
    return status.known_groups > 0 || std::find(status.uids.begin(), status.uids.end(), id) != status.uids.end() ||
           std::find(status.gids.begin(), status.gids.end(), id) != status.gids.end();
}

bool some_process_has(std::uint32_t id) {
    DIR *processes = opendir("/proc");
    if (!processes) return true;
    bool found = false;
    while (const dirent *entry = found ? nullptr : readdir(processes))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') found = process_has(entry->d_name, id);
    closedir(processes);
    return found;
}

bool is_nobodys(std::uint32_t id, std::span<const plan::Identity> taken) {
    for (const plan::Identity &identity : taken)
        if (has(identity, id)) return false;
    errno = 0;
    if (getpwuid(id) || !says_there_is_none(errno)) return false;
    errno = 0;
    if (getgrgid(id) || !says_there_is_none(errno)) return false;
    return !some_process_has(id);
}

struct Role {
    const char *directive;
    const char *usual;              // the account that packages make
    const char *OwnAccounts::*text; // what the directive names, or null
};
constexpr Role roles[] = {
    {"ListenerAccount", "itk2-listener", &OwnAccounts::listener},
    {"SpareAccount", "itk2-spare", &OwnAccounts::spare},
    {"ParserAccount", "itk2-parser", &OwnAccounts::parser},
};
constexpr std::size_t role_count = std::size(roles);

bool is_among(std::uint32_t id, std::span<const Account> chosen) {
    return std::any_of(chosen.begin(), chosen.end(),
                       [&](const Account &account) { return account.uid == id || account.gid == id; });
}

const char *choose_nobody(apr_pool_t *pool, const Role &role, std::span<const plan::Identity> taken,
                          std::span<const Account> chosen, Account &account) {
    for (std::uint32_t id = least_nobody_id; id <= most_nobody_id; id++) {
        if (is_among(id, chosen) || !is_nobodys(id, taken)) continue;
        account = {apr_psprintf(pool, "#%u", id), id, id, false};
        return nullptr;
    }
    return apr_psprintf(pool, "no id from %u to %u is free for %s; create the user %s", least_nobody_id, most_nobody_id,
                        role.directive, role.usual);
}

const char *choose(apr_pool_t *pool, const Role &role, const char *text, std::span<const plan::Identity> taken,
                   std::span<const Account> chosen, Account &account) {
    if (text) {
        if (const char *error = find_account(pool, text, account))
            return apr_pstrcat(pool, role.directive, ": ", error, nullptr);
        if (account.uid == 0 || account.gid == 0)
            return apr_psprintf(pool,
                                "%s %s: neither its uid nor its gid may be 0; name an account used by nothing else",
                                role.directive, text);
        return nullptr;
    }
    errno = 0;
    if (const passwd *entry = getpwnam(role.usual); entry && entry->pw_uid != 0 && entry->pw_gid != 0)
        return keep_entry(pool, *entry, account);
    if (!says_there_is_none(errno)) return not_found(pool, "user", role.usual, errno);
    return choose_nobody(pool, role, taken, chosen, account);
}

const char *check_distinct(apr_pool_t *pool, std::span<const Account, role_count> chosen) {
    for (std::size_t a = 0; a < role_count; a++)
        for (std::size_t b = a + 1; b < role_count; b++)
            if (chosen[a].uid == chosen[b].uid || chosen[a].gid == chosen[b].gid)
                return apr_psprintf(pool, "%s %s (%u:%u) and %s %s (%u:%u) must differ in uid and in gid",
                                    roles[a].directive, chosen[a].name, chosen[a].uid, chosen[a].gid,
                                    roles[b].directive, chosen[b].name, chosen[b].uid, chosen[b].gid);
    return nullptr;
}

} // namespace

const char *find_reserved(apr_pool_t *pool, const OwnAccounts &named, std::span<const plan::Identity> taken,
                          plan::Reserved &reserved) {
    std::array<Account, role_count> chosen;
    for (std::size_t i = 0; i < role_count; i++)
        if (const char *error =
                choose(pool, roles[i], named.*roles[i].text, taken, std::span(chosen).first(i), chosen[i]))
            return error;
    if (const char *error = check_distinct(pool, chosen)) return error;
    reserved = {chosen[0].uid, chosen[0].gid, chosen[1].uid, chosen[1].gid, chosen[2].uid, chosen[2].gid};
    return nullptr;
}

} // namespace itk2::httpd
