// What it is: the life of a parser, from its fork to the grant that makes it a worker.
#pragma once

#include "base/ids.h"
#include "wire/channel.h"

#include <sys/types.h>

namespace itk2::role {

// Takes one connection from its channel, and asks by its link what it may become for the request on it. Runs in a
// freshly forked child of the master that has closed what is not its own. Returns never.
[[noreturn]] void run_parser(wire::LowerEnd channel, wire::LowerEnd link, Slot slot, pid_t master);

} // namespace itk2::role
