// What it is: what parsers may be granted, as the configuration says it, and what the account database says of a uid.
// For the master; no httpd type.
#pragma once

#include "base/ids.h"
#include "plan/identity.h"
#include "plan/wish.h"

#include <sys/types.h>

#include <cstdint>
#include <span>

namespace itk2::httpd {

// Of the configuration in force.
std::uint32_t vhost_count();
plan::GrantRule rule_of(VhostIndex vhost);
// Whether a request may ask for this identity by its key: some virtual host names it where only a parser can tell.
bool may_be_granted(IdentityKey key);
bool may_have_nice(int nice);
plan::Reserved reserved_accounts();

// The key of an identity that was found out; a new one where nobody has had it. no_identity where there are too many.
IdentityKey enter_identity(const plan::Identity &identity);

struct AccountEntry {
    bool is_found = false;
    int error = 0; // errno where it could not be looked up
    const char *name = "";
    std::span<const gid_t> groups; // of the account and `gid`; sorted, without duplicates
};
// Asks the machine's account database, however long that takes. For a process that can be ended meanwhile; the answer's
// memory lives as long as that.
AccountEntry look_up_account(uid_t uid, gid_t gid);

} // namespace itk2::httpd
