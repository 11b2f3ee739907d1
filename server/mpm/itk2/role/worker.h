// What it is: the life of a worker, from its first connection to its end; and of a parser, once it has been born.
#pragma once

#include "wire/channel.h"

namespace itk2::role {

// From now on SIGTERM ends this worker. To be called before any module's child_init: PHP takes over the handlers it
// finds there.
void end_on_stop(const wire::LowerEnd &channel);

// Serves what the listener sends until it says finish or is gone. The process is its identity, for good, and
// httpd::begin_serving() has been called. Returns never.
[[noreturn]] void run_worker(wire::LowerEnd channel);

} // namespace itk2::role
