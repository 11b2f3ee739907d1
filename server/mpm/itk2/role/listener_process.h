// What it is: a listener as the master sees it: a child with a channel. Plain data: it outlives reloads of the module.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "plan/staffing.h"
#include "wire/channel.h"

#include <sys/types.h>

#include <cstdint>
#include <span>

namespace itk2::role {

struct ListenerProcess {
    pid_t pid = 0; // 0: none runs
    int down = -1;
    int up = -1;
    std::int64_t since_ms = 0;
    Generation ready{UINT32_MAX}; // the generation it last said it serves
    bool is_drained = false;
    std::uint16_t kept = 0; // of wire::Ready: what it has given up
    plan::Throttle throttle;
    wire::UpReader reader;
};

// Starts the listener program: own account, no capability, channel on descriptors 3 and 4, nothing else but the
// standard ones. Needs: root, or a master without root. `number` is its place among the listeners.
Result start_listener(ListenerProcess &listener, std::uint32_t number);

// Hands over all listening sockets of a generation, and its memory: the route table, and the counters. All stay the
// caller's.
Result tell_generation(ListenerProcess &listener, Generation generation, std::span<const int> sockets,
                       std::span<const int> memory);

// Sends one message, waiting up to a second for a listener that is behind. Any failure: end the listener.
Result tell(ListenerProcess &listener, ByteView message, std::span<const int> descriptors = {});

// Closes the channel; the process is reaped elsewhere.
void forget(ListenerProcess &listener);

} // namespace itk2::role
