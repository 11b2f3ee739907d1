// What it is: the master's loop: one generation, from the configuration read to the next one, or to the end.
#pragma once

#include <cstdint>

namespace itk2::role {

enum class Ending : std::uint8_t {
    restart, // read the configuration again, then call run_master() again
    stopped, // every child is gone
    failed,  // a line is in the log; every child is gone
};

// Runs as root (or as the one user of a server not started by root). Blocks until a signal ends the generation.
Ending run_master();

// -X: starts a listener, then becomes the identity of the first request itself. Returns only where that fails.
Ending run_one_process();

} // namespace itk2::role
