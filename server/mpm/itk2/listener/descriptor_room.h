// What it is: keeps the listener below its limit of open files, at the price of the connections that are missed least.
#pragma once

#include <cstdint>

namespace itk2::listener {

struct Listener;

// Kept free of client connections and of workers that were asked for: for the largest message of the master, and what
// it sends unasked.
inline constexpr std::uint32_t reserved_descriptors = 64;

// Sheds connections until so many descriptors more fit. False: there is nothing more to shed.
bool make_room(Listener &listener, std::uint32_t descriptors);

// How many of these workers more may be asked for; sheds connections for them.
std::uint32_t make_room_for_workers(Listener &listener, std::uint32_t wanted);

// Whether connections may be where they can't be shed, with workers that wait for their next requests.
[[nodiscard]] bool has_plenty_of_room(const Listener &listener);

// Says that there is no room.
void complain_of_room(Listener &listener);

// Sheds one, and tells the master. False: there is none.
bool shed_for_room(Listener &listener);

} // namespace itk2::listener
