// What it is: keeps the listener below its limit of open files, at the price of the connections that are missed least.
#pragma once

#include <cstdint>

namespace itk2::listener {

struct Listener;

// Kept free of client connections: for the largest message of the master, and workers to come.
inline constexpr std::uint32_t reserved_descriptors = 64;

// Sheds connections until so many descriptors more fit. False: there is nothing more to shed.
bool make_room(Listener &listener, std::uint32_t descriptors);

// Sheds one, and tells the master. False: there is none.
bool shed_for_room(Listener &listener);

} // namespace itk2::listener
