// What it is: the listener program: the start, and the one loop that waits for whatever comes next.
// Runs as: the listener's own account, without privilege. Trusts: the master. Distrusts: clients and workers.
#include "base/exit_code.h"
#include "listener/accepting.h"
#include "listener/assigning.h"
#include "listener/ending.h"
#include "listener/generations.h"
#include "listener/handing_over.h"
#include "listener/listener.h"
#include "listener/looking.h"
#include "listener/reports.h"
#include "listener/sandbox.h"
#include "listener/start.h"
#include "os/clock.h"

#include <unistd.h>

#include <algorithm>
#include <memory>

namespace itk2::listener {
namespace {

std::uint64_t now_ms() { return static_cast<std::uint64_t>(os::monotonic_ms()); }

void connection_ready(Listener &listener, Token token, std::uint32_t events) {
    Connection *connection = listener.connections.find(token.place);
    if (connection == nullptr || !token.is_use(connection->id.use)) return;
    if (connection->state == State::waiting || connection->state == State::idle)
        bytes_came(listener, *connection, events);
    else if (connection->state == State::lingering)
        drain_more(listener, *connection);
}

void connection_expired(Listener &listener, Connection &connection) {
    switch (connection.state) {
    case State::waiting: return waiting_expired(listener, connection);
    case State::idle: return shut_down(listener, connection);
    case State::queued: return queue_expired(listener, connection);
    case State::lingering: return linger_expired(listener, connection);
    case State::busy:
    case State::parked:
    case State::sending:
    case State::tended:
    case State::looking:
    case State::none: return;
    }
}

void expired(Listener &listener, Timer &timer) {
    switch (timer.of) {
    case TimerOf::connection: return connection_expired(listener, static_cast<Connection &>(timer));
    case TimerOf::worker: return worker_expired(listener, static_cast<Worker &>(timer));
    case TimerOf::pool: return pool_expired(listener, static_cast<Pool &>(timer));
    case TimerOf::sockets: return resume_accepting(listener);
    }
}

Worker *find_worker(Listener &listener, Token token) {
    Worker *worker = listener.workers.find(Slot{token.place});
    if (worker == nullptr || !token.is_use(number(worker->id)) || worker->state == WorkerState::lost) return nullptr;
    return worker;
}

// What workers and the master say. False where the process is to end.
bool hear(Listener &listener, std::span<const epoll_event> events, int &exit_status) {
    bool has_orders = false;
    bool has_unjudged = false;
    for (const epoll_event &event : events) {
        const Token token = Token::unpack(event.data.u64);
        if (token.what == Watched::master_orders) has_orders = true;
        if (token.what != Watched::worker) continue;
        Worker *worker = find_worker(listener, token);
        if (worker != nullptr && !read_reports(listener, *worker)) has_unjudged = true;
    }
    if (!has_unjudged) return !has_orders || read_orders(listener, Orders::a_turn, exit_status);
    if (!read_orders(listener, Orders::all, exit_status)) return false;
    for (const epoll_event &event : events) {
        const Token token = Token::unpack(event.data.u64);
        if (token.what != Watched::worker) continue;
        if (Worker *worker = find_worker(listener, token)) judge_reports(listener, *worker);
    }
    return true;
}

void socket_ready(Listener &listener, Token token) {
    auto &sockets = listener.sockets;
    if (sockets.paused || !token.is_use(sockets.use) || token.place >= sockets.current.size()) return;
    accept_some(listener, sockets.current[token.place]);
}

void tell_counters(Listener &listener) {
    const ConnectionTable &table = listener.connections;
    const auto size = [](const ConnectionTable::StateList &list) {
        return static_cast<std::uint32_t>(list.size());
    };
    listener.counters.tell(table.count(), size(table.waiting), size(table.idle), size(table.lingering));
}

// What master and workers say comes first: it makes room for what clients ask.
int serve(Listener &listener) {
    int exit_status = status(ExitCode::finished);
    for (;;) {
        const std::span<const epoll_event> events = listener.poller.wait(listener.timers.wait_ms(now_ms()));
        listener.now = now_ms();
        if (!hear(listener, events, exit_status)) return exit_status;
        for (const epoll_event &event : events) {
            const Token token = Token::unpack(event.data.u64);
            if (token.what == Watched::connection) connection_ready(listener, token, event.events);
            if (token.what == Watched::socket) socket_ready(listener, token);
        }
        listener.timers.expire(listener.now, [&listener](Timer &timer) { expired(listener, timer); });
        listener.close_guard.after_closes();
        check_drained(listener);
        tell_counters(listener);
        send_wants(listener);
        if (!listener.master.flush()) return exit_status;
    }
}

Result watch_master(Listener &listener) {
    if (const Result opened = listener.poller.open(); !opened.ok()) return opened;
    if (const Result added = listener.poller.add(MasterLink::orders, EPOLLIN, {Watched::master_orders}); !added.ok())
        return added;
    // Edges: an event when the pipe takes messages again, and none while nothing is kept back.
    return listener.poller.add(MasterLink::reports, EPOLLOUT | EPOLLET, {Watched::master_reports});
}

int run(int argc, char **argv) {
    Arguments arguments;
    if (!read_arguments(argc, argv, arguments)) {
        complain("only the server starts this program", refused(Step::start_program));
        return status(ExitCode::bad_arguments);
    }
    std::uint32_t descriptor_limit = 0;
    plan::SipKey hint_secret;
    Result begun = secure(arguments, descriptor_limit);
    if (begun.ok()) begun = draw_secret(hint_secret);
    if (!begun.ok()) {
        complain("cannot start", begun);
        return status(ExitCode::failed_at_birth);
    }
    show_title(argc, argv, arguments.number);
    auto listener = std::make_unique<Listener>(now_ms());
    listener->place = arguments.number;
    listener->descriptor_limit = descriptor_limit;
    listener->processors = count_processors();
    listener->hint_secret = hint_secret;
    if (const Result watched = watch_master(*listener); !watched.ok()) {
        complain("cannot start", watched);
        return status(ExitCode::failed_at_birth);
    }
    if (const Result entered = enter_sandbox(listener->kept); !entered.ok()) {
        complain("cannot start", entered);
        return status(ExitCode::failed_at_birth);
    }
    const int exit_status = serve(*listener);
    _exit(exit_status); // what it holds ends with it
}

} // namespace
} // namespace itk2::listener

int main(int argc, char **argv) { return itk2::listener::run(argc, argv); }
