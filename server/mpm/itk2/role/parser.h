// What it is: the life of a parser, from its fork to the grant that makes it a worker.
#pragma once

#include "base/ids.h"
#include "role/identity_segments.h"
#include "wire/channel.h"

#include <sys/types.h>

namespace itk2::role {

// Takes one connection from its channel, and asks by its link what it may become for the request on it. `page`: its
// slot's of the scoreboard, where pages are kept apart. Runs in a
// freshly forked child of the master that has closed what is not its own. Returns never.
[[noreturn]] void run_parser(wire::LowerEnd channel, wire::LowerEnd link, Slot slot, os::Fd page, pid_t master,
                             IdentitySegments &segments);

// Goes through a parser's birth, modules' code included, and ends: finished where one can live here, else
// failed_at_birth, with the step in the log. Runs as run_parser(), in slot 0, which nobody has.
[[noreturn]] void try_birth(pid_t master, IdentitySegments &segments);

} // namespace itk2::role
