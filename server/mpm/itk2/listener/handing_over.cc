// What it is: messages down to workers, and the turns of a worker's life.
#include "listener/handing_over.h"

#include "listener/assigning.h"
#include "listener/descriptor_room.h"
#include "listener/ending.h"
#include "listener/listener.h"
#include "plan/growth.h"

#include <algorithm>

namespace itk2::listener {
namespace {

constexpr std::uint64_t rest_ms = 10;
// For how long a finishing worker that holds nothing may go on, and how long the master may take to miss a lost one.
constexpr std::uint64_t finish_patience_ms = 30'000;
constexpr std::uint64_t lost_patience_ms = 5'000;

void take_out_of_lists(Listener &listener, Worker &worker) {
    if (static_cast<InIdle &>(worker).is_linked()) listener.workers.idle.remove(worker);
    if (static_cast<InPool &>(worker).is_linked()) {
        const bool is_idle = worker.state == WorkerState::idle;
        (is_idle ? worker.pool->idle[worker.idle_class] : worker.pool->unhurried).remove(worker);
    }
    Timers::disarm(worker);
}

// It is not among those that the pool counts on any more, if it has been.
void leave_pool(const Worker &worker) {
    if (!worker.was_parser) worker.pool->workers--;
}

bool is_passing(int error) {
    return error == EAGAIN || error == ETOOMANYREFS || error == ENOBUFS || error == ENOMEM || error == EINTR;
}

void rest(Listener &listener, Worker &worker) {
    take_out_of_lists(listener, worker);
    worker.state = WorkerState::resting;
    listener.timers.arm(worker, listener.now + rest_ms);
}

// A parser takes one connection only, whatever became of either.
bool is_over(const Listener &listener, const Worker &worker) {
    const bool is_used_up = worker.was_parser ? worker.parked == 0 : worker.used && worker.pool->is_of_parsers();
    return is_used_up || worker.last || worker.generation != listener.settings.generation ||
           (listener.stopping && !worker.held.empty());
}

// One of that identity would do as well, but for what has come out of a parser.
bool may_be_evicted(const Worker &worker, IdentityKey for_identity) {
    return !worker.pool->is_of_parsers() && (worker.was_parser || worker.pool->identity != for_identity);
}

// The one that has been idle longest; one that holds connections, or one that does not.
Worker *find_evictable(Listener &listener, IdentityKey for_identity, bool holds) {
    auto &idle = listener.workers.idle;
    for (Worker *worker = idle.first(); worker != nullptr; worker = idle.next(*worker))
        if (may_be_evicted(*worker, for_identity) && worker->held.empty() != holds) return worker;
    return nullptr;
}

// Fewer workers than could work at a time are to share out the connections, not to gather them.
bool is_large(const Listener &listener, const Pool &pool) {
    return pool.workers >= std::max(plan::few_workers, listener.processors);
}

// To the connections of its pool.
void offer(Listener &listener, Worker &worker) {
    worker.idle_class = static_cast<std::uint8_t>(Pool::parked_class(worker));
    auto &idle = worker.pool->idle[worker.idle_class];
    // One that tends others has something to do.
    const bool tends = worker.held.size() > worker.parked;
    tends ? idle.push_last(worker) : idle.push_first(worker);
    // Parsers wait for connections that nobody has a worker for yet: how many should, the master knows.
    if (listener.settings.worker_idle_ms != 0 && !worker.pool->is_of_parsers())
        listener.timers.arm(worker, listener.now + listener.settings.worker_idle_ms);
    serve_queue(listener, *worker.pool);
}

void become_idle(Listener &listener, Worker &worker) {
    take_out_of_lists(listener, worker);
    worker.state = WorkerState::idle;
    if (is_over(listener, worker)) return finish(listener, worker, true);
    listener.workers.idle.push_last(worker);
    if (!worker.was_parser) offer(listener, worker);
    if (worker.state == WorkerState::idle && listener.evict_owed && may_be_evicted(worker, listener.evict_for)) {
        listener.evict_owed = false;
        finish(listener, worker, false);
    }
}

void become_busy(Listener &listener, Worker &worker) {
    take_out_of_lists(listener, worker);
    worker.state = WorkerState::busy;
    worker.pool->unhurried.push_last(worker);
    if (!worker.pool->queue.empty()) hurry(listener, *worker.pool);
}

} // namespace

bool may_tend(const Worker &worker, const Connection &connection) {
    return is_plain(connection) && connection.returnable && !connection.may_move && !connection.is_limited &&
           !worker.pool->is_of_parsers() && !worker.was_parser;
}

Handed hand_over(Listener &listener, Worker &worker, Connection &connection) {
    Pool &pool = *worker.pool;
    // A parser is of no use to others of its queue.
    const bool others_wait = !pool.is_of_parsers() && !pool.queue.empty();
    wire::Connection message;
    message.id = connection.id;
    message.keepalives = connection.keepalives;
    message.replay_length = 0;
    message.head_length = connection.head_length;
    // Where busy connections are limited, one that has been answered must not count as busy.
    if (others_wait || connection.is_limited) message.header.flags |= wire::Connection::others_wait;
    if (!connection.returnable) message.header.flags |= wire::Connection::not_returnable;
    if (connection.may_move && connection.returnable && is_plain(connection))
        message.header.flags |= wire::Connection::may_move;
    if (may_tend(worker, connection) && is_large(listener, pool) && has_plenty_of_room(listener))
        message.header.flags |= wire::Connection::may_tend;
    if (connection.answered && connection.replay != nullptr) {
        message.replay_length = connection.replay->length;
        std::copy_n(connection.replay->bytes.begin(), message.replay_length, message.replay.begin());
    }
    const int descriptor = connection.descriptor.get();
    const Result sent = wire::send_down(worker.channel.down.get(), wire::encode(message), {&descriptor, 1});
    if (!sent.ok()) {
        if (is_passing(sent.error))
            rest(listener, worker);
        else
            lose(listener, worker);
        return Handed::no;
    }
    take_out_of_lists(listener, worker);
    worker.state = WorkerState::busy;
    worker.used = true;
    worker.given = &connection;
    worker.held.push_last(connection);
    if (!others_wait && !pool.is_of_parsers()) pool.unhurried.push_last(worker);
    connection.state = State::busy;
    connection.worker = &worker;
    connection.pool = nullptr;
    connection.queue_deadline = 0;
    connection.bound = true;
    return Handed::yes;
}

void hurry(Listener &, Pool &pool) {
    while (Worker *worker = pool.unhurried.first()) {
        pool.unhurried.remove(*worker);
        // Where it fails the worker is late or gone; its report or its end will come all the same.
        (void)wire::send_down(worker->channel.down.get(), wire::encode(wire::Hurry{}));
    }
}

void settle(Listener &listener, Worker &worker) {
    if (worker.state == WorkerState::finishing || worker.state == WorkerState::lost) return;
    const bool is_busy = worker.given != nullptr || worker.resumed != nullptr;
    if (!is_busy) return become_idle(listener, worker);
    if (worker.state != WorkerState::busy) become_busy(listener, worker);
}

void identify(Listener &listener, Worker &worker, const wire::Identified &message) {
    const IdentityKey identity = message.identity;
    if (worker.state == WorkerState::lost || !worker.pool->is_of_parsers()) return;
    const bool goes_on = worker.state != WorkerState::finishing;
    Pool &pool = listener.pools.of(identity);
    if (goes_on) {
        take_out_of_lists(listener, worker);
        leave_pool(worker);
    }
    worker.pool = &pool;
    worker.was_parser = true;
    const bool is_passing = (message.header.flags & wire::Identified::passing) != 0;
    const std::uint64_t until = is_passing ? listener.now + listener.settings.hint_ms : Hints::for_good;
    for (Connection *held = worker.held.first(); held != nullptr; held = worker.held.next(*held)) {
        held->identity = identity;
        // What was decided under another configuration is no hint for this one.
        const bool is_hint = (message.header.flags & wire::Identified::no_hint) == 0;
        if (is_hint && worker.generation == listener.settings.generation && held->route_generation == worker.generation)
            listener.hints.learn(held->hint, identity, listener.now, until);
    }
    if (!goes_on) return;
    if (worker.given != nullptr || worker.resumed != nullptr) return become_busy(listener, worker);
    become_idle(listener, worker);
}

void finish(Listener &listener, Worker &worker, bool keep_parked) {
    take_out_of_lists(listener, worker);
    worker.state = WorkerState::finishing;
    leave_pool(worker);
    wire::Finish message;
    message.header.code = keep_parked ? wire::Finish::keep_parked : wire::Finish::close_parked;
    // The end of the channel says the same.
    if (!wire::send_down(worker.channel.down.get(), wire::encode(message)).ok()) worker.channel.down.reset();
    listener.timers.arm(worker, listener.now + finish_patience_ms);
}

void lose(Listener &listener, Worker &worker) {
    if (worker.state == WorkerState::lost) return;
    take_out_of_lists(listener, worker);
    if (worker.state != WorkerState::finishing) leave_pool(worker);
    worker.state = WorkerState::lost;
    listener.poller.remove(worker.channel.up.get());
    worker.channel = {};
    listener.workers.channel_closed();
    listener.timers.arm(worker, listener.now + lost_patience_ms);
    while (Connection *connection = worker.held.first()) {
        const bool unread = connection == worker.given && !worker.serving;
        detach(listener, *connection);
        if (unread)
            assign_again(listener, *connection);
        else
            shut_down(listener, *connection);
    }
    serve_queue(listener, *worker.pool);
}

void lose_broken(Listener &listener, Worker &worker) {
    wire::Broken message;
    message.slot = worker.slot;
    message.worker = worker.id;
    listener.master.send(message);
    lose(listener, worker);
    Timers::disarm(worker);
}

void forget(Listener &listener, Worker &worker) {
    lose(listener, worker);
    Timers::forget(worker);
    listener.workers.remove(worker);
}

void evict(Listener &listener, IdentityKey for_identity) {
    Worker *worker = find_evictable(listener, for_identity, false);
    if (worker == nullptr) worker = find_evictable(listener, for_identity, true);
    if (worker != nullptr) return finish(listener, *worker, false);
    listener.evict_owed = true;
    listener.evict_for = for_identity;
}

void evict_ahead(Listener &listener) {
    if (Worker *worker = find_evictable(listener, no_identity, false)) finish(listener, *worker, false);
}

void worker_expired(Listener &listener, Worker &worker) {
    switch (worker.state) {
    case WorkerState::idle:
        if (worker.held.empty()) return finish(listener, worker, true);
        return listener.timers.arm(worker, listener.now + listener.settings.worker_idle_ms);
    case WorkerState::resting: return settle(listener, worker);
    case WorkerState::finishing:
        if (worker.held.empty()) return lose_broken(listener, worker);
        return listener.timers.arm(worker, listener.now + finish_patience_ms);
    case WorkerState::lost: {
        wire::Broken message;
        message.slot = worker.slot;
        message.worker = worker.id;
        return listener.master.send(message);
    }
    case WorkerState::busy: return;
    }
}

} // namespace itk2::listener
