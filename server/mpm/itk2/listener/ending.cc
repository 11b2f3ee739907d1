// What it is: shutdown, draining, close.
#include "listener/ending.h"

#include "listener/listener.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace itk2::listener {
namespace {

// Most clients have closed by then: the poller need not know the connection at all.
constexpr std::uint64_t first_drain_ms = 8;
constexpr std::size_t drain_at_once = 1 << 20;
constexpr int drains_a_turn = 4;

void linger(Listener &listener, Connection &connection, std::uint64_t first_look_in) {
    const std::uint64_t limit = listener.settings.linger_ms;
    if (limit == 0) return close_now(listener, connection);
    connection.state = State::lingering;
    listener.connections.lingering.push_last(connection);
    connection.deadline = listener.now + limit;
    listener.timers.arm(connection, listener.now + std::min(first_look_in, limit));
}

// Throws away what has come. True: the client has closed its side, or is gone.
bool drain_once(const Connection &connection) {
    for (int turn = 0; turn < drains_a_turn; turn++) {
        const ssize_t length = recv(connection.descriptor.get(), nullptr, drain_at_once, MSG_TRUNC | MSG_DONTWAIT);
        if (length == 0) return true;
        if (length < 0 && errno != EINTR) return errno != EAGAIN;
    }
    return false;
}

} // namespace

void leave_queue(Listener &listener, Connection &connection) {
    connection.pool->queue.remove(connection);
    connection.pool = nullptr;
    listener.counters.unqueue(connection.route.vhost);
}

void detach(Listener &listener, Connection &connection) {
    if (connection.counted) listener.counters.leave(connection.route.vhost);
    connection.counted = false;
    Timers::disarm(connection);
    switch (connection.state) {
    case State::waiting: listener.connections.waiting.remove(connection); break;
    case State::idle: listener.connections.idle.remove(connection); break;
    case State::lingering: listener.connections.lingering.remove(connection); break;
    case State::queued: leave_queue(listener, connection); break;
    case State::busy:
    case State::parked:
    case State::sending:
    case State::tended: {
        Worker &worker = *connection.worker;
        worker.held.remove(connection);
        if (worker.given == &connection) worker.given = nullptr;
        if (worker.resumed == &connection) worker.resumed = nullptr;
        if (holds_its_worker(connection)) worker.parked--;
        connection.worker = nullptr;
        break;
    }
    case State::looking:
    case State::none: break;
    }
    connection.state = State::looking;
}

void close_now(Listener &listener, Connection &connection) {
    detach(listener, connection);
    const int fd = connection.descriptor.get();
    if (connection.watch != Watch::none) listener.poller.remove(fd);
    if (connection.bound) {
        listener.close_guard.before_close();
        // A worker may have left an option that makes close wait for the client.
        const ::linger off{};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
    }
    listener.connections.remove(connection);
}

void shut_down(Listener &listener, Connection &connection) {
    detach(listener, connection);
    shutdown(connection.descriptor.get(), SHUT_WR);
    linger(listener, connection, first_drain_ms);
}

void drain(Listener &listener, Connection &connection) {
    detach(listener, connection);
    linger(listener, connection, first_drain_ms);
}

void refuse(Listener &listener, Connection &connection, os::Refusal refusal) {
    const bool in_http = connection.saw_bytes && is_plain(connection);
    if (!in_http) return shut_down(listener, connection);
    const std::uint32_t retry_after_s = std::clamp(listener.settings.queue_timeout_ms / 1000, 1u, 60u);
    os::RefusalBytes buffer;
    const ByteView answer = os::refusal_answer(refusal, retry_after_s, buffer);
    // What does not fit into an empty send buffer at once is not worth waiting for.
    (void)send(connection.descriptor.get(), answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    shut_down(listener, connection);
}

void drain_more(Listener &listener, Connection &connection) {
    if (drain_once(connection)) close_now(listener, connection);
}

void linger_expired(Listener &listener, Connection &connection) {
    if (connection.deadline <= listener.now || drain_once(connection)) return close_now(listener, connection);
    // A worker that failed to shut it down would leave the client waiting.
    shutdown(connection.descriptor.get(), SHUT_WR);
    const Token token{Watched::connection, connection.id.place, connection.id.use};
    const std::uint32_t events = EPOLLIN | EPOLLRDHUP;
    const int fd = connection.descriptor.get();
    const Result result = connection.watch == Watch::none ? listener.poller.add(fd, events, token)
                                                          : listener.poller.change(fd, events, token);
    if (!result.ok()) return close_now(listener, connection);
    connection.watch = Watch::level;
    listener.timers.arm(connection, connection.deadline);
}

bool shed_one(Listener &listener) {
    auto &connections = listener.connections;
    Connection *victim = connections.idle.first();
    if (victim == nullptr) victim = connections.lingering.first();
    if (victim == nullptr) victim = connections.waiting.first();
    if (victim == nullptr) return false;
    close_now(listener, *victim);
    return true;
}

} // namespace itk2::listener
