// What it is: the choice of a worker, the queue, and the wish for more workers.
#include "listener/assigning.h"

#include "listener/descriptor_room.h"
#include "listener/ending.h"
#include "listener/handing_over.h"
#include "listener/listener.h"
#include "listener/looking.h"
#include "plan/growth.h"

#include <algorithm>

namespace itk2::listener {
namespace {

constexpr std::uint8_t most_tries = 2;
// How long the master has to answer a wish, and is presumed to have no worker to give where it does not.
constexpr std::uint64_t want_settles_ms = 20;
constexpr std::uint64_t report_settles_ms = 20;
constexpr std::uint64_t presumed_full_ms = 1000;

void enter_load(Listener &listener, Connection &connection) {
    if (connection.counted) return;
    listener.counters.enter(connection.route.vhost);
    connection.counted = true;
}

const plan::VhostEntry *vhost_of(const Listener &listener, const Connection &connection) {
    const auto vhosts = listener.table.vhosts();
    return number(connection.route.vhost) < vhosts.size() ? &vhosts[number(connection.route.vhost)] : nullptr;
}

bool may_enter(Listener &listener, Connection &connection) {
    const plan::VhostEntry *vhost = vhost_of(listener, connection);
    connection.keepalive_ms = vhost == nullptr ? 0 : vhost->keepalive_ms;
    connection.is_limited = vhost != nullptr && vhost->max_clients != 0;
    if (connection.counted || vhost == nullptr ||
        listener.counters.has_room(connection.route.vhost, vhost->max_clients)) {
        connection.was_over_limit = false;
        return true;
    }
    return false;
}

void refuse_over_limit(Listener &listener, Connection &connection) {
    // An answer reaches its client before the report of it reaches us.
    if (!connection.was_over_limit) {
        connection.was_over_limit = true;
        return look_later(listener, connection, report_settles_ms);
    }
    listener.master.notice(listener.now, wire::NoticeCode::max_clients_vhost, number(connection.route.vhost),
                           listener.settings.generation);
    refuse(listener, connection, os::Refusal::unavailable);
}

// At most as many more as there are descriptors for.
void ask(Listener &listener, Pool &pool, std::uint32_t wanted) {
    if (wanted > pool.asked) {
        const std::uint32_t more = wanted - pool.asked;
        const std::uint32_t fitting = make_room_for_workers(listener, more);
        if (fitting < more) complain_of_room(listener);
        wanted = pool.asked + fitting;
    }
    if (wanted == pool.asked) return;
    if (pool.asked == 0) pool.asked_since = listener.now;
    listener.pools.ask(pool, wanted);
    note_want(listener, pool);
}

void look_again(Listener &listener, Pool &pool) {
    pool.served = 0;
    pool.looked_at = listener.now;
    listener.timers.arm(pool, listener.now + plan::next_look_ms(pool.workers));
}

// At once where nobody is there who could do it, and for parsers, which take one connection each; otherwise only if the
// queue does not empty by itself.
void want_more(Listener &listener, Pool &pool) {
    const auto waiting = static_cast<std::uint32_t>(pool.queue.size());
    pool.longest = std::max(pool.longest, waiting);
    const bool at_once = pool.is_of_parsers() || pool.workers == 0 || pool.has_idle();
    if (waiting > pool.asked && at_once) ask(listener, pool, waiting);
    if (pool.due == 0) look_again(listener, pool);
}

enum class End { first, last };

void enqueue(Listener &listener, Pool &pool, Connection &connection, End end) {
    connection.state = State::queued;
    connection.pool = &pool;
    if (end == End::first)
        pool.queue.push_first(connection);
    else
        pool.queue.push_last(connection);
    listener.counters.queue(connection.route.vhost);
    if (connection.queue_deadline == 0 && listener.settings.queue_timeout_ms != 0)
        connection.queue_deadline = listener.now + listener.settings.queue_timeout_ms;
    if (connection.queue_deadline != 0) listener.timers.arm(connection, connection.queue_deadline);
    want_more(listener, pool);
}

// Hands it to an idle worker. False: there is none that takes it; the connection is in state looking still.
bool hand_to_idle(Listener &listener, Pool &pool, Connection &connection) {
    for (;;) {
        Worker *worker = pool.choose(listener.now < pool.presumed_full_until);
        if (worker == nullptr) return false;
        if (hand_over(listener, *worker, connection) == Handed::yes) return true;
    }
}

} // namespace

void assign(Listener &listener, Connection &connection) {
    Pool &pool = listener.pools.of(connection.identity);
    if (!may_enter(listener, connection)) return refuse_over_limit(listener, connection);
    enter_load(listener, connection);
    if (pool.queue.empty() && hand_to_idle(listener, pool, connection)) return;
    // Only a worker with nothing else to do tells a client that has gone that its head was not whole.
    if (connection.is_broken_off) return close_now(listener, connection);

    const std::uint32_t limit = listener.settings.queue_limit;
    if (limit != 0 && pool.queue.size() >= limit) {
        listener.master.notice(listener.now, wire::NoticeCode::queue_full, number(pool.identity),
                               listener.settings.generation);
        return refuse(listener, connection, os::Refusal::unavailable);
    }
    enqueue(listener, pool, connection, End::last);
    hurry(listener, pool);
}

void assign_again(Listener &listener, Connection &connection) {
    if (++connection.tries > most_tries) return refuse(listener, connection, os::Refusal::unavailable);
    Pool &pool = listener.pools.of(connection.identity);
    enter_load(listener, connection);
    enqueue(listener, pool, connection, End::first);
}

void serve_queue(Listener &listener, Pool &pool) {
    while (Connection *connection = pool.queue.first()) {
        if (pool.choose(listener.now < pool.presumed_full_until) == nullptr) return;
        leave_queue(listener, *connection);
        Timers::disarm(*connection);
        connection->state = State::looking;
        if (hand_to_idle(listener, pool, *connection)) continue;
        return enqueue(listener, pool, *connection, End::first);
    }
}

void queue_expired(Listener &listener, Connection &connection) {
    listener.master.notice(listener.now, wire::NoticeCode::queue_deadline, number(connection.pool->identity),
                           listener.settings.generation);
    refuse(listener, connection, os::Refusal::unavailable);
}

namespace {

std::uint32_t grow(const Listener &listener, Pool &pool, std::uint32_t waiting, std::uint32_t elapsed_ms) {
    const bool is_recent = listener.now - pool.grown_at < plan::growth_counts_ms;
    const plan::Pressure pressure{pool.workers, waiting,    pool.served,
                                  elapsed_ms,   pool.asked, is_recent ? pool.rate_when_grown : 0};
    const std::uint32_t more = plan::more_workers(pressure);
    if (more > 0 && pool.workers >= plan::few_workers) {
        pool.grown_at = listener.now;
        pool.rate_when_grown = plan::rate_of(pressure);
    }
    return more;
}

std::uint32_t workers_wanted(const Listener &listener, Pool &pool, std::uint32_t waiting) {
    const auto elapsed_ms = static_cast<std::uint32_t>(listener.now - pool.looked_at);
    const std::uint32_t more = grow(listener, pool, waiting, elapsed_ms);
    // What was asked for stands while its reason does.
    return std::max(more, std::min(pool.longest, pool.asked));
}

} // namespace

void pool_expired(Listener &listener, Pool &pool) {
    if (pool.asked > 0 && pool.has_idle() && listener.now - pool.asked_since >= want_settles_ms) {
        pool.presumed_full_until = listener.now + presumed_full_ms;
        serve_queue(listener, pool);
    }
    const auto waiting = static_cast<std::uint32_t>(pool.queue.size());
    ask(listener, pool, pool.is_of_parsers() ? waiting : workers_wanted(listener, pool, waiting));
    pool.longest = waiting;
    const bool is_without_room = waiting > 0 && pool.workers + pool.asked == 0;
    if (is_without_room) evict(listener, pool.identity); // somebody else's idle worker makes room
    if (pool.asked == 0 && !is_without_room && listener.evict_for == pool.identity) listener.evict_owed = false;
    if (pool.asked > 0 || waiting > 0) look_again(listener, pool);
}

void note_want(Listener &listener, Pool &pool) {
    if (!static_cast<InUnsent &>(pool).is_linked()) listener.pools.unsent.push_last(pool);
}

} // namespace itk2::listener
