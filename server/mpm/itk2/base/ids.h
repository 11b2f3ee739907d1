// What it is: the numbers that name things across processes, each a type of its own.
// Trusts: nothing; a number read from another process is range-checked where it is read.
#pragma once

#include <cstdint>

namespace itk2 {

// An identity, numbered by the master; the number keeps its meaning for the master's whole life,
// over graceful restarts, and is never given to another identity.
enum class IdentityKey : std::uint32_t {};
inline constexpr IdentityKey no_identity{UINT32_MAX};

// A virtual host's place in the route table of one generation.
enum class VhostIndex : std::uint32_t {};

// A place in the master's child table and in the scoreboard.
enum class Slot : std::uint32_t {};

// Counts every child ever started; with a slot it tells a worker from the one that had the slot before.
enum class WorkerId : std::uint32_t {};

// Counts configurations read since the master started.
enum class Generation : std::uint32_t {};

// A connection in one listener: its place, and how often the place was taken before.
struct ConnectionId {
    std::uint32_t place = UINT32_MAX;
    std::uint32_t use = 0;
    friend constexpr bool operator==(ConnectionId, ConnectionId) = default;
};

template <typename Id> constexpr std::uint32_t number(Id id) { return static_cast<std::uint32_t>(id); }

} // namespace itk2
