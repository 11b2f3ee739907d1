// What it is: the life of a spare, from its fork to its order.
#pragma once

#include "base/ids.h"
#include "role/identity_segments.h"
#include "wire/channel.h"

#include <sys/types.h>

namespace itk2::role {

// `set_uid_programs`: for an identity whose set-uid programs are what they are elsewhere.
// Waits for the order, becomes the identity, serves as a worker. Runs in a freshly forked child of the master that
// has closed what is not its own. Returns never.
[[noreturn]] void run_spare(wire::LowerEnd channel, pid_t master, IdentitySegments &segments, bool set_uid_programs);

} // namespace itk2::role
