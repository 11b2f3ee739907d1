// What it is: what the master remembers over restarts, while its configuration and this module's code are made anew.
// Numbers and malloc'ed memory only.
#pragma once

#include "plan/identity.h"
#include "plan/identity_registry.h"

#include <cstdint>

namespace itk2::httpd {

struct Lasting {
    std::uint32_t layout;
    std::uint32_t has_accounts;
    plan::IdentityStore identities;
    plan::Reserved accounts;      // the running listener's, the spares' and the parsers'
    std::uint32_t slot_limit;     // the scoreboard's size; 0 until it is known
    std::uint32_t listener_count; // 0 until it is known
};

// The same bytes as long as the master lives, zeros at first. Null where another version of this module has left
// its own there: then only a stop and a start help.
Lasting *lasting();

} // namespace itk2::httpd
