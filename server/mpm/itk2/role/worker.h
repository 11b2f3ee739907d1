// What it is: the life of a worker, from its first connection to its end.
#pragma once

#include "wire/channel.h"

namespace itk2::role {

// Serves what the listener sends until it says finish or is gone. The process is its identity, for good, and
// httpd::begin_serving() has been called. Returns never.
[[noreturn]] void run_worker(wire::LowerEnd channel);

} // namespace itk2::role
