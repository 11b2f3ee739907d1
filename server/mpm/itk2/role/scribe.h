// What it is: the one process that writes the logs which several identities share: each writer has a pipe to it, and no
// descriptor of the file.
#pragma once

#include "base/result.h"
#include "wire/channel.h"

#include <sys/types.h>

#include <cstdint>

namespace itk2::role {

// As the master knows it. Plain data: it outlives reloads of the module.
struct Scribe {
    pid_t pid = 0;
    int down = -1; // sends; the master's
    std::int64_t since_ms = 0;
};

// The child's life. It ends with its channel, once it has written what there is.
[[noreturn]] void run_scribe(wire::LowerEnd channel, pid_t master);

} // namespace itk2::role
