// What it is: what a request is to run as, in numbers, as the process that parsed it says; and how it is told apart from
// what a process is. Pure.
#pragma once

#include "base/ids.h"
#include "plan/identity.h"

#include <sys/types.h>

#include <cstdint>

namespace itk2::plan {

struct Wish {
    IdentityKey key = no_identity; // an identity the configuration names; no_identity: one found out for this request
    uid_t uid = 0;                 // of the key's identity, or as found out
    gid_t gid = 0;
    int nice = 0;            // may differ from the key's identity's
    VhostIndex vhost{};      // whose limits hold for ids that were found out
    bool may_change = false; // at any moment: nothing is to be learnt from it
};

// What requests to one virtual host may ask for.
struct GrantRule {
    bool takes_ids = false;         // an identity may be found out for a request
    bool takes_unknown_ids = false; // also a uid that has no account
    IdRange uids;
    IdRange gids;
};

// How far what is learnt about one request goes for others.
enum class HintScope : std::uint8_t {
    none,  // nothing is to be learnt: the route is known, or depends on more than a listener sees
    host,  // all requests with this host
    place, // requests with this host and a path in the same place
    path,  // requests with this host and this very path
};

} // namespace itk2::plan
