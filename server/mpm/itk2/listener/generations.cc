// What it is: the master's orders, one after the other.
#include "listener/generations.h"

#include "base/exit_code.h"
#include "listener/accepting.h"
#include "listener/descriptor_room.h"
#include "listener/ending.h"
#include "listener/handing_over.h"
#include "listener/listener.h"
#include "listener/looking.h"
#include "listener/reports.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace itk2::listener {
namespace {

constexpr int orders_a_turn = 64;

Result take_sockets(Listener &listener, wire::Received &received) {
    auto &next = listener.sockets.next;
    if (wire::decode<wire::Sockets>(received.view()).first != next.size()) return refused(Step::protocol);
    for (std::size_t i = 0; i < received.descriptor_count; i++) next.push_back(std::move(received.descriptors[i]));
    return success;
}

Result check_table(const plan::RouteTable &table, std::size_t socket_count) {
    if (table.sockets().size() != socket_count) return refused(Step::read_route_table);
    const auto vhosts = table.vhosts();
    const bool known = std::all_of(vhosts.begin(), vhosts.end(),
                                   [](const plan::VhostEntry &vhost) { return Pools::may_be(vhost.identity); });
    return known ? success : refused(Step::read_route_table);
}

bool has_use_for_hints(const plan::RouteTable &table) {
    const auto vhosts = table.vhosts();
    return std::any_of(vhosts.begin(), vhosts.end(), [](const plan::VhostEntry &vhost) {
        return vhost.identity == no_identity && vhost.hints != plan::HintScope::none;
    });
}

void switch_sockets(Listener &listener) {
    auto &sockets = listener.sockets;
    if (!sockets.paused) unwatch_sockets(listener);
    sockets.current.clear();
    sockets.use++;
    for (std::size_t i = 0; i < sockets.next.size(); i++) {
        ListeningSocket socket;
        socket.entry = listener.table.sockets()[i];
        (void)read_local_address(sockets.next[i].get(), socket);
        socket.local.port = socket.entry.port;
        socket.descriptor = std::move(sockets.next[i]);
        sockets.current.push_back(std::move(socket));
    }
    sockets.next.clear();
    if (!sockets.paused && !listener.stopping) watch_sockets(listener);
}

// What is with workers is counted no more: the new table's vhosts are others.
void recount(Listener &listener, os::SharedMapping counters) {
    listener.counters.start(listener.table.vhosts().size(), std::move(counters), listener.place);
    listener.workers.for_each([](Worker &worker) {
        for (Connection *held = worker.held.first(); held != nullptr; held = worker.held.next(*held))
            held->counted = false;
    });
}

void retire_workers(Listener &listener) {
    listener.workers.for_each([&listener](Worker &worker) {
        if (worker.state == WorkerState::idle || worker.state == WorkerState::resting) finish(listener, worker, true);
    });
}

void look_at_queues_again(Listener &listener) {
    List<Connection, InState> waiting;
    listener.pools.for_each([&](Pool &pool) {
        while (Connection *connection = pool.queue.first()) {
            connection->counted = false;
            detach(listener, *connection);
            waiting.push_last(*connection);
        }
    });
    while (Connection *connection = waiting.first()) {
        waiting.remove(*connection);
        look(listener, *connection);
    }
}

// Of all listeners.
Result take_counters(const Listener &listener, const wire::Received &received, const plan::RouteTable &table,
                     os::SharedMapping &counters) {
    const std::size_t listeners = table.settings().listener_count;
    if (listener.place >= listeners) return refused(Step::protocol);
    const std::size_t size = plan::counting_size(listeners, table.vhosts().size());
    return os::map_shared(received.descriptors[1].get(), size, counters);
}

Result take_generation(Listener &listener, wire::Received &received) {
    const auto message = wire::decode<wire::NewGeneration>(received.view());
    if (message.socket_count != listener.sockets.next.size()) return refused(Step::protocol);
    os::Mapping bytes;
    if (const Result mapped = os::map_sealed(received.descriptors[0].get(), bytes); !mapped.ok()) return mapped;
    plan::RouteTable table;
    if (const Result opened = plan::RouteTable::open(bytes.bytes(), table); !opened.ok()) return opened;
    if (const Result checked = check_table(table, message.socket_count); !checked.ok()) return checked;
    if (table.settings().generation != message.generation) return refused(Step::read_route_table);
    os::SharedMapping counters;
    if (const Result taken = take_counters(listener, received, table, counters); !taken.ok()) return taken;

    listener.table = table;
    listener.table_bytes = std::move(bytes);
    listener.settings = listener.table.settings();
    switch_sockets(listener);
    listener.hints.start(has_use_for_hints(table), table.vhosts().size());
    recount(listener, std::move(counters));
    retire_workers(listener);
    look_at_queues_again(listener);
    wire::Ready ready;
    ready.header.flags = listener.kept;
    ready.generation = message.generation;
    listener.master.send(ready);
    return success;
}

Result take_worker(Listener &listener, wire::Received &received) {
    const auto message = wire::decode<wire::Worker>(received.view());
    if (!Pools::may_be(message.identity)) return refused(Step::protocol);
    if (Worker *former = listener.workers.find(message.slot)) forget(listener, *former);
    Worker *worker = listener.workers.add(message.slot);
    if (worker == nullptr) return refused(Step::protocol);
    worker->id = message.worker;
    worker->generation = message.generation;
    worker->pool = &listener.pools.of(message.identity);
    worker->channel.down = std::move(received.descriptors[0]);
    worker->channel.up = std::move(received.descriptors[1]);
    listener.pools.count_given(*worker->pool);
    worker->pool->workers++;
    worker->pool->presumed_full_until = 0;
    if (listener.evict_owed && listener.evict_for == message.identity) listener.evict_owed = false;
    const Token token{Watched::worker, number(worker->slot), number(worker->id)};
    if (const Result watched = listener.poller.add(worker->channel.up.get(), EPOLLIN, token); !watched.ok())
        return watched;
    settle(listener, *worker);
    return success;
}

Result take_identified(Listener &listener, const wire::Identified &message) {
    if (!Pools::may_be(message.identity) || message.identity == no_identity) return refused(Step::protocol);
    Worker *worker = listener.workers.find(message.slot);
    // It may have died since.
    if (worker == nullptr || worker->id != message.worker) return success;
    identify(listener, *worker, message);
    return success;
}

// The last of the descriptors went elsewhere: its channel ends here, and so will it.
Result lose_new_worker(Listener &listener, const wire::Worker &message) {
    if (!Pools::may_be(message.identity)) return refused(Step::protocol);
    listener.pools.count_given(listener.pools.of(message.identity));
    complain_of_room(listener);
    return success;
}

bool is_worker_without_channel(Result result, const wire::Received &received) {
    return result.step == Step::receive_message && result.error == EMFILE &&
           wire::recognise(received.view(), wire::Peer::master, wire::Peer::listener) == wire::Type::worker;
}

// The log is out of reach by now.
int give_up(Listener &listener, Result result) {
    listener.master.notice_end(result);
    (void)listener.master.flush();
    return status(ExitCode::broken_peer);
}

void take_gone(Listener &listener, const wire::Gone &message) {
    Worker *worker = listener.workers.find(message.slot);
    if (worker == nullptr || worker->id != message.worker) return;
    // It may have said more before it died than has been read.
    read_last_reports(listener, *worker);
    forget(listener, *worker);
}

void take_evict(Listener &listener, const wire::Evict &message) {
    if (message.header.code == wire::Evict::ahead) return evict_ahead(listener);
    evict(listener, message.for_identity);
}

void stop(Listener &listener) {
    if (listener.stopping) return;
    listener.stopping = true;
    if (!listener.sockets.paused) unwatch_sockets(listener);
    listener.sockets.current.clear();
    while (Connection *connection = listener.connections.idle.first()) shut_down(listener, *connection);
    hasten_waiting(listener);
    listener.workers.for_each([&listener](Worker &worker) {
        if (worker.state == WorkerState::idle && !worker.held.empty()) finish(listener, worker, true);
    });
}

Result take(Listener &listener, wire::Received &received) {
    const auto type = wire::recognise(received.view(), wire::Peer::master, wire::Peer::listener);
    if (!type) return refused(Step::protocol);
    const wire::Spec &spec = *wire::spec_of(*type);
    if (received.descriptor_count < spec.min_descriptors || received.descriptor_count > spec.max_descriptors)
        return refused(Step::protocol);
    switch (*type) {
    case wire::Type::sockets: return take_sockets(listener, received);
    case wire::Type::generation: return take_generation(listener, received);
    case wire::Type::worker: return take_worker(listener, received);
    case wire::Type::identified: return take_identified(listener, wire::decode<wire::Identified>(received.view()));
    case wire::Type::gone: take_gone(listener, wire::decode<wire::Gone>(received.view())); return success;
    case wire::Type::evict: take_evict(listener, wire::decode<wire::Evict>(received.view())); return success;
    case wire::Type::stop: stop(listener); return success;
    default: return refused(Step::protocol);
    }
}

} // namespace

bool read_orders(Listener &listener, Orders how_many, int &status) {
    static wire::Received received;
    for (int turn = 0; how_many == Orders::all || turn < orders_a_turn; turn++) {
        (void)make_room(listener, reserved_descriptors);
        Result result = wire::receive_down(MasterLink::orders, received);
        if (result.step == Step::receive_message && (result.error == EAGAIN || result.error == EINTR)) return true;
        if (result.step == Step::peer_closed || (result.step == Step::receive_message && result.error == ECONNRESET)) {
            status = itk2::status(ExitCode::finished);
            return false;
        }
        if (result.ok())
            result = take(listener, received);
        else if (is_worker_without_channel(result, received))
            result = lose_new_worker(listener, wire::decode<wire::Worker>(received.view()));
        if (result.ok()) continue;
        status = give_up(listener, result);
        return false;
    }
    return true;
}

void check_drained(Listener &listener) {
    if (!listener.stopping) return;
    std::size_t undecided = listener.connections.waiting.size();
    listener.pools.for_each([&undecided](Pool &pool) { undecided += pool.queue.size(); });
    if (undecided == 0)
        while (Worker *worker = listener.workers.idle.first()) finish(listener, *worker, true);
    if (listener.drained || listener.connections.count() > 0) return;
    listener.drained = true;
    listener.master.send(wire::Drained{});
}

} // namespace itk2::listener
