// What it is: what the processes of one pool may take of the machine, as numbers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace itk2 {

enum class Limit : std::uint8_t {
    memory,    // bytes, of all together
    cpu,       // percent of one processor, all together
    weight,    // their share of the processors, where others want them too: 1 to 10000
    processes, // processes and threads, all together
    files,     // open descriptors, of each
    count_
};

struct PoolLimits {
    std::array<std::uint64_t, static_cast<std::size_t>(Limit::count_)> values{}; // 0: no limit

    constexpr std::uint64_t &operator[](Limit limit) { return values[static_cast<std::size_t>(limit)]; }
    constexpr std::uint64_t operator[](Limit limit) const { return values[static_cast<std::size_t>(limit)]; }
    friend constexpr bool operator==(const PoolLimits &, const PoolLimits &) = default;
};

// The share of a pool for which nothing else is said.
inline constexpr std::uint64_t usual_weight = 100;

// What the kernel keeps the limits with, as a set of bits.
using Controllers = std::uint8_t;
inline constexpr Controllers memory_controller = 1;
inline constexpr Controllers cpu_controller = 2;
inline constexpr Controllers pids_controller = 4;

constexpr Controllers controllers_for(const PoolLimits &limits) {
    const bool needs_cpu = limits[Limit::cpu] != 0 || limits[Limit::weight] != 0;
    return static_cast<Controllers>((limits[Limit::memory] != 0 ? memory_controller : 0) |
                                    (needs_cpu ? cpu_controller : 0) |
                                    (limits[Limit::processes] != 0 ? pids_controller : 0));
}

} // namespace itk2
