// What it is: all that the listener knows, and the way of a connection through it, one header per step:
// accepting.h -> looking.h -> assigning.h -> handing_over.h -> reports.h -> ending.h; generations.h renews it all.
// Runs as: an account of its own, without privilege, in one thread. Trusts: the master and its route table.
#pragma once

#include "listener/close_guard.h"
#include "listener/connection_table.h"
#include "listener/counters.h"
#include "listener/hints.h"
#include "listener/master_link.h"
#include "listener/poller.h"
#include "listener/pool.h"
#include "listener/sockets.h"
#include "listener/timers.h"
#include "listener/worker.h"
#include "os/memfd.h"
#include "plan/route_table.h"

namespace itk2::listener {

struct Listener {
    explicit Listener(std::uint64_t started) : now(started), timers(started) {}

    std::uint64_t now;       // ms of the monotonic clock, as of the last wake-up
    std::uint32_t place = 0; // among the listeners
    std::uint32_t descriptor_limit = 0;
    std::uint32_t processors = 1;
    std::uint16_t kept = 0; // of wire::Ready: what this process has given up
    Poller poller;
    Timers timers;
    MasterLink master;
    Sockets sockets;
    ConnectionTable connections;
    Pools pools;
    Workers workers;
    Counters counters;
    Hints hints;
    plan::SipKey hint_secret; // of this process alone
    CloseGuard close_guard;

    os::Mapping table_bytes;
    plan::RouteTable table;
    plan::Settings settings;

    bool evict_owed = false; // no worker was idle when the master needed one to end
    IdentityKey evict_for = no_identity;
    bool stopping = false;
    bool drained = false;
};

} // namespace itk2::listener
