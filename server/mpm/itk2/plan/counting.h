// What it is: the layout of the memory in which listeners count, in 32-bit numbers: a row for each listener, which it alone
// writes. First how many of its connections are in each state, then how many of each virtual host's are busy, then how
// many of those are queued.
// Pure.
#pragma once

#include <cstddef>
#include <cstdint>

namespace itk2::plan {

// What a listener's connections wait for, or are doing.
enum class Held : std::uint8_t {
    waiting,   // for a request head
    idle,      // kept, for the next request
    queued,    // for a worker
    busy,      // with a worker
    lingering, // for the client's end
    states,    // how many there are
};

constexpr std::size_t held_states = static_cast<std::size_t>(Held::states);

// The places of a row.
constexpr std::size_t place_of(Held state) { return static_cast<std::size_t>(state); }
constexpr std::size_t place_of_busy(std::size_t vhost) { return held_states + vhost; }
constexpr std::size_t place_of_queued(std::size_t vhost, std::size_t vhosts) { return held_states + vhosts + vhost; }
constexpr std::size_t row_length(std::size_t vhosts) { return held_states + 2 * vhosts; }

constexpr std::size_t counting_size(std::size_t listeners, std::size_t vhosts) {
    return listeners * row_length(vhosts) * sizeof(std::uint32_t);
}

} // namespace itk2::plan
