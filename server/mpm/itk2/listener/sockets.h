// What it is: the listening sockets of the generation in force, and those of the next one as they come in.
#pragma once

#include "listener/timers.h"
#include "os/fd.h"
#include "plan/route_table.h"

#include <vector>

namespace itk2::listener {

struct ListeningSocket {
    os::Fd descriptor;
    plan::Address local; // without an address where it is bound to any
    bool is_specific = false;
    plan::SocketEntry entry;
    std::uint32_t quota = 1; // connections to accept in one turn; follows what comes
};

struct Sockets : Timer {
    Sockets() : Timer(TimerOf::sockets) {}

    std::vector<ListeningSocket> current;
    std::vector<os::Fd> next;
    std::uint32_t use = 0; // counts generations, for the poller's tokens
    bool paused = false;   // short of descriptors: not watched
};

} // namespace itk2::listener
