// What it is: one client connection, held here from accept to close, whoever serves it meanwhile.
// Owns its descriptor; a worker has a duplicate of it at most.
#pragma once

#include "base/ids.h"
#include "listener/list.h"
#include "listener/timers.h"
#include "os/fd.h"
#include "plan/hint_key.h"
#include "plan/route_table.h"
#include "wire/messages.h"

#include <array>
#include <cstdint>

namespace itk2::listener {

struct Pool;
struct Worker;

enum class State : std::uint8_t {
    none,      // the place is free
    looking,   // between two others: in no list
    waiting,   // for a whole first request head, or for the rest of a later one
    idle,      // kept: for the first byte of the next request
    queued,    // for a worker
    busy,      // with a worker
    parked,    // in a worker, which waits for the next request
    sending,   // in a worker, which sends the rest of an answer as the client reads it
    tended,    // in a worker, which answers its light requests among others'
    lingering, // shut down for writing: what the client still sends is thrown away
};

enum class Watch : std::uint8_t {
    none,  // not in epoll
    once,  // in epoll, for one event; asleep after it
    edges, // in epoll, an event for all new bytes: unread ones don't count
    level, // in epoll, an event as long as there is something to read
};

// The PROXY header that a client sent once; kept to be given to every worker but the first.
struct Replay {
    std::uint16_t length = 0;
    std::array<std::uint8_t, wire::max_replay> bytes;
};

struct InState : Link {};

struct Connection : InState, Timer {
    Connection() : Timer(TimerOf::connection) {}

    ConnectionId id;
    os::Fd descriptor;
    State state = State::none;
    Watch watch = Watch::none;

    // by its listening socket
    bool server_speaks_first = false;
    bool local_known = false;
    plan::Address local;

    // by its peer
    bool may_move = false;        // from one identity to another between two requests
    Generation peer_generation{}; // in which that was found

    // by its bytes
    bool saw_bytes = false; // of the head that is waited for
    bool looks_like_tls = false;
    bool half_closed = false;      // the client has shut down its side
    bool is_broken_off = false;    // in the middle of a head: most likely nobody waits for an answer
    std::uint16_t head_length = 0; // of the head that is there; 0: not known
    bool looks_at_times = false;   // looked at by the clock, not at each event
    std::uint16_t looks = 0;       // at the head that is waited for
    bool returnable = true;
    Replay *replay = nullptr;
    std::uint64_t deadline = 0; // of the head, or of the lingering; 0: none

    // by its route
    plan::Route route;
    Generation route_generation{};      // in which route.vhost and hint mean something
    plan::HintKey hint = plan::no_hint; // its place, where only httpd can tell the identity
    bool counted = false;               // in its vhost's load
    bool is_limited = false;            // its vhost has MaxClientsVHost
    bool was_over_limit = false;        // seen so once: looked at again before it is refused
    std::uint32_t keepalive_ms = 0;
    std::uint64_t queue_deadline = 0; // kept until a worker has it; 0: none
    Pool *pool = nullptr;             // while queued

    // by its workers
    bool bound = false;                 // given to a worker of `identity`: never to another's, unless it may move
    IdentityKey identity = no_identity; // whose pool it is for, or was; no_identity: a parser is to find out
    bool answered = false;              // at least once: a replay is due
    std::uint8_t tries = 0;             // workers that died before they served it
    std::uint32_t keepalives = 0;
    Worker *worker = nullptr; // while busy, parked, sending or tended
};

static_assert(sizeof(Connection) <= 1024);

// Whether what it carries is requests that anybody can see.
inline bool is_plain(const Connection &connection) {
    return !connection.looks_like_tls && !connection.server_speaks_first;
}

// Whether its worker is to be given others only where no other may be had.
inline bool holds_its_worker(const Connection &connection) {
    return connection.state == State::parked || connection.state == State::sending;
}

} // namespace itk2::listener
