// What it is: see identity.h.
#include "plan/identity.h"

#include <algorithm>

namespace itk2::plan {

bool equal(const Identity &a, const Identity &b) {
    return a.uid == b.uid && a.gid == b.gid && a.nice == b.nice &&
           std::equal(a.groups.begin(), a.groups.end(), b.groups.begin(), b.groups.end());
}

namespace {

constexpr std::uint32_t not_an_id = UINT32_MAX; // setresuid and setresgid take it for "leave as it is"

bool has_gid(const Identity &identity, gid_t gid) {
    return identity.gid == gid || std::binary_search(identity.groups.begin(), identity.groups.end(), gid);
}

} // namespace

Refusal check(const Identity &identity, IdRange uids, IdRange gids, const Reserved &reserved) {
    if (identity.uid == not_an_id || has_gid(identity, not_an_id)) return Refusal::no_id;
    if (identity.uid == reserved.listener_uid || has_gid(identity, reserved.listener_gid))
        return Refusal::listener_account;
    if (identity.uid == reserved.spare_uid || has_gid(identity, reserved.spare_gid)) return Refusal::spare_account;
    if (identity.uid == reserved.parser_uid || has_gid(identity, reserved.parser_gid)) return Refusal::parser_account;
    if (!uids.holds(identity.uid)) return Refusal::uid_out_of_range;
    if (!gids.holds(identity.gid)) return Refusal::gid_out_of_range;
    for (const gid_t group : identity.groups)
        if (!gids.holds(group)) return Refusal::group_out_of_range;
    return Refusal::none;
}

} // namespace itk2::plan
