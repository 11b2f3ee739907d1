// What it is: waiting for one descriptor until a moment. Signals that come meanwhile don't count.
#pragma once

#include "os/clock.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>

namespace itk2::os {

// Whether the descriptor is ready for these events, or at its end: 1; or the deadline has come first: 0; or -1, with
// errno. `deadline_ms`: of monotonic_ms(); one that has passed looks once.
inline int await(int fd, short events, std::int64_t deadline_ms) {
    pollfd watched{fd, events, 0};
    for (;;) {
        const std::int64_t left_ms = std::clamp<std::int64_t>(deadline_ms - monotonic_ms(), 0, INT_MAX);
        const int ready = poll(&watched, 1, static_cast<int>(left_ms));
        if (ready > 0) return 1;
        if (ready < 0 && errno != EINTR) return -1;
        if (ready == 0 && left_ms == 0) return 0;
    }
}

} // namespace itk2::os
