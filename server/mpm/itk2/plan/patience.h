// What it is: how long a worker waits itself for a connection's next request, before the listener does: long while
// that pays, hardly ever while it does not.
// Pure.
#pragma once

#include <cstdint>

namespace itk2::plan {

class Patience {
  public:
    // The longest wait, in milliseconds; 0 never waits.
    explicit constexpr Patience(std::uint32_t most_ms) : most_ms_(most_ms), now_ms_(most_ms) {}

    // How long to wait this time.
    constexpr std::uint32_t wait_ms() {
        if (now_ms_ > 0) return now_ms_;
        if (++skipped_ < probe_every) return 0;
        skipped_ = 0;
        return most_ms_;
    }
    constexpr void request_came() {
        now_ms_ = most_ms_;
        skipped_ = 0;
    }
    constexpr void none_came() { now_ms_ /= 2; }

  private:
    static constexpr std::uint32_t probe_every = 16;
    std::uint32_t most_ms_;
    std::uint32_t now_ms_;
    std::uint32_t skipped_ = 0;
};

} // namespace itk2::plan
