// What it is: peeking, and waiting for what is not there yet.
#include "listener/looking.h"

#include "listener/accepting.h"
#include "listener/assigning.h"
#include "listener/ending.h"
#include "listener/listener.h"
#include "plan/first_bytes.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace itk2::listener {
namespace {

constexpr std::size_t usual_window = 8192;
constexpr std::size_t whole_window = 65536;
// One for all: nothing of them is kept.
std::array<std::uint8_t, whole_window> window;
std::array<char, 256> split_name; // room for the longest name TLS allows

// A head that comes in so many pieces is looked at by the clock from then on, less and less often: the time spent
// on it must not grow with the square of its length.
constexpr std::uint16_t looks_at_events = 32;
constexpr std::uint16_t looks_a_step = 16;
constexpr std::uint64_t look_every_ms = 20;
constexpr std::uint64_t look_at_least_every_ms = 640;

// Those not yet served when the server stops get this long to send their request.
constexpr std::uint64_t stopping_head_ms = 1000;

enum class Peek { bytes, nothing, gone };

struct Peeked {
    Peek outcome;
    ByteView bytes;
    bool window_full = false;
};

Peeked peek(const Connection &connection) {
    std::size_t size = usual_window;
    for (;;) {
        const ssize_t length = recv(connection.descriptor.get(), window.data(), size, MSG_PEEK | MSG_DONTWAIT);
        if (length < 0) {
            if (errno == EINTR) continue;
            return {errno == EAGAIN ? Peek::nothing : Peek::gone, {}};
        }
        if (length == 0) return {Peek::gone, {}};
        const auto count = static_cast<std::size_t>(length);
        if (count < size || size == whole_window) return {Peek::bytes, {window.data(), count}, count == whole_window};
        size = whole_window;
    }
}

void watch(Listener &listener, Connection &connection, Watch how) {
    if (connection.watch == Watch::edges && how == Watch::edges) return;
    const std::uint32_t events = EPOLLIN | EPOLLRDHUP | (how == Watch::once ? EPOLLONESHOT : EPOLLET);
    const Token token{Watched::connection, connection.id.place, connection.id.use};
    const int fd = connection.descriptor.get();
    const Result result = connection.watch == Watch::none ? listener.poller.add(fd, events, token)
                                                          : listener.poller.change(fd, events, token);
    if (!result.ok()) return close_now(listener, connection);
    connection.watch = how;
}

// Bytes that are seen already must not wake us while a worker reads.
void unwatch_edges(Listener &listener, Connection &connection) {
    if (connection.watch != Watch::edges) return;
    listener.poller.remove(connection.descriptor.get());
    connection.watch = Watch::none;
}

void start_head(const Listener &listener, Connection &connection) {
    std::uint64_t limit = listener.settings.head_timeout_ms;
    if (listener.stopping && (limit == 0 || limit > stopping_head_ms)) limit = stopping_head_ms;
    connection.deadline = limit == 0 ? 0 : listener.now + limit;
}

std::uint64_t next_look(const Connection &connection, std::uint64_t now) {
    const unsigned steps = std::min((connection.looks - looks_at_events) / looks_a_step, 5);
    return now + std::min(look_every_ms << steps, look_at_least_every_ms);
}

// Nothing, or not enough, is there: wait, for a first request or for the rest of one.
void wait_for_more(Listener &listener, Connection &connection, Watch how) {
    if (connection.deadline == 0) start_head(listener, connection);
    connection.state = State::waiting;
    listener.connections.waiting.push_last(connection);
    std::uint64_t due = connection.deadline;
    connection.looks_at_times = how == Watch::edges && connection.looks >= looks_at_events;
    if (connection.looks_at_times) {
        const std::uint64_t next = next_look(connection, listener.now);
        due = due == 0 ? next : std::min(due, next);
    }
    if (due != 0) listener.timers.arm(connection, due);
    watch(listener, connection, how);
}

void note_proxy_header(Listener &listener, Connection &connection, ByteView header) {
    if (header.empty() || connection.answered) return;
    listener.connections.remember(connection, header);
}

void find_route(Listener &listener, Connection &connection, const plan::FirstBytes &first) {
    learn_local_address(listener, connection);
    learn_peer(listener, connection);
    connection.route = listener.table.route(connection.local, first);
    connection.route_generation = listener.settings.generation;
    connection.hint = plan::no_hint;
    if (connection.route.identity != no_identity) return;
    if (!listener.hints.are_trusted(connection.route.vhost)) return;
    const plan::HintScope scope = listener.table.vhosts()[number(connection.route.vhost)].hints;
    connection.hint = plan::hint_key(listener.hint_secret, connection.route.vhost, scope, first);
}

// Whose worker has it already, and is to be the only one. A parser that had it and was no worker yet is nobody's.
IdentityKey owner_of(const Connection &connection) {
    if (!connection.bound || (connection.may_move && is_plain(connection))) return no_identity;
    return connection.identity;
}

void pass_on(Listener &listener, Connection &connection, const plan::FirstBytes &first) {
    find_route(listener, connection, first);
    connection.looks = 0;
    connection.deadline = 0;
    unwatch_edges(listener, connection);
    const IdentityKey owner = owner_of(connection);
    IdentityKey identity = connection.route.identity;
    // Where only httpd can tell, the owner's worker asks it; it ends the connection if it has to be another's.
    if (identity == no_identity)
        identity = owner != no_identity ? owner : listener.hints.find(connection.hint, listener.now);
    if (owner != no_identity && owner != identity) return shut_down(listener, connection);
    connection.identity = identity;
    assign(listener, connection);
}

} // namespace

void look(Listener &listener, Connection &connection) {
    if (connection.server_speaks_first) {
        plan::FirstBytes none;
        none.sight = plan::Sight::other;
        return pass_on(listener, connection, none);
    }
    const Peeked peeked = peek(connection);
    if (peeked.outcome == Peek::gone) return close_now(listener, connection);
    if (peeked.outcome == Peek::nothing) return wait_for_more(listener, connection, Watch::once);

    connection.saw_bytes = true;
    connection.is_broken_off = false;
    const plan::FirstBytes first = plan::look(peeked.bytes, !peeked.window_full && !connection.half_closed, split_name);
    connection.looks_like_tls = first.looks_like_tls || first.sight == plan::Sight::tls;
    connection.head_length = first.head_length <= UINT16_MAX ? static_cast<std::uint16_t>(first.head_length) : 0;
    if (first.sight == plan::Sight::incomplete) {
        if (connection.looks < UINT16_MAX) connection.looks++;
        return wait_for_more(listener, connection, Watch::edges);
    }
    connection.is_broken_off = connection.half_closed && first.sight != plan::Sight::tls &&
                               plan::look(peeked.bytes, true, split_name).sight == plan::Sight::incomplete;
    note_proxy_header(listener, connection, peeked.bytes.first(std::min(first.proxy_length, peeked.bytes.size())));
    pass_on(listener, connection, first);
}

void look_later(Listener &listener, Connection &connection, std::uint64_t wait_ms) {
    connection.state = State::waiting;
    connection.looks_at_times = true;
    listener.connections.waiting.push_last(connection);
    listener.timers.arm(connection, listener.now + wait_ms);
}

void bytes_came(Listener &listener, Connection &connection, std::uint32_t events) {
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) connection.half_closed = true;
    if (connection.looks_at_times && !connection.half_closed) return;
    detach(listener, connection);
    look(listener, connection);
}

void waiting_expired(Listener &listener, Connection &connection) {
    const bool too_late = connection.deadline != 0 && connection.deadline <= listener.now;
    if (too_late) return refuse(listener, connection, os::Refusal::request_timeout);
    detach(listener, connection);
    look(listener, connection);
}

void hasten_waiting(Listener &listener) {
    auto &waiting = listener.connections.waiting;
    for (Connection *connection = waiting.first(); connection != nullptr; connection = waiting.next(*connection)) {
        const std::uint64_t soon = listener.now + stopping_head_ms;
        if (connection->deadline != 0 && connection->deadline <= soon) continue;
        connection->deadline = soon;
        listener.timers.arm(*connection, connection->due == 0 ? soon : std::min(connection->due, soon));
    }
}

void wait_for_next(Listener &listener, Connection &connection) {
    if (listener.stopping || connection.keepalive_ms == 0) return shut_down(listener, connection);
    connection.saw_bytes = false;
    connection.half_closed = false;
    connection.looks_at_times = false;
    connection.state = State::idle;
    listener.connections.idle.push_last(connection);
    listener.timers.arm(connection, listener.now + connection.keepalive_ms);
    watch(listener, connection, Watch::once);
}

} // namespace itk2::listener
