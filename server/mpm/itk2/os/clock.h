// What it is: the clock that timers and deadlines use: milliseconds that never go back.
#pragma once

#include <time.h>

#include <cstdint>

namespace itk2::os {

// Milliseconds since some fixed moment; CLOCK_MONOTONIC can't fail on Linux.
inline std::int64_t monotonic_ms() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

// For loops that look again: 5 ms, less where a signal comes.
inline void sleep_briefly() {
    const timespec briefly{0, 5'000'000};
    nanosleep(&briefly, nullptr);
}

} // namespace itk2::os
