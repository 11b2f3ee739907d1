// What it is: the check of every report, and what follows from it.
#include "listener/reports.h"

#include "listener/ending.h"
#include "listener/handing_over.h"
#include "listener/listener.h"
#include "listener/looking.h"

namespace itk2::listener {
namespace {

// What the outcome says must fit what the sender was given.
bool fits(const Worker &worker, const Connection *connection, wire::Outcome outcome) {
    if (connection == nullptr || connection->worker != &worker) return false;
    const bool is_busy = connection->state == State::busy;
    const bool is_parked = connection->state == State::parked;
    const bool is_sending = connection->state == State::sending;
    const bool is_tended = connection->state == State::tended;
    switch (outcome) {
    case wire::Outcome::keep: return is_busy || is_sending || is_tended;
    case wire::Outcome::close:
    case wire::Outcome::park: return is_busy || is_sending;
    case wire::Outcome::resume: return (is_parked || is_sending || is_tended) && worker.resumed == nullptr;
    case wire::Outcome::end: return is_parked;
    case wire::Outcome::send: return is_busy;
    case wire::Outcome::tend: return is_busy && may_tend(worker, *connection);
    }
    return false;
}

// It stays with its worker.
void move_to(Listener &listener, Worker &worker, Connection &connection, State state) {
    detach(listener, connection);
    connection.state = state;
    connection.worker = &worker;
    worker.held.push_last(connection);
    if (holds_its_worker(connection)) worker.parked++;
}

// As one that is being answered.
void count(Listener &listener, Connection &connection) {
    if (connection.route_generation != listener.settings.generation) return;
    listener.counters.enter(connection.route.vhost);
    connection.counted = true;
}

void resume(Listener &listener, Worker &worker, Connection &connection) {
    move_to(listener, worker, connection, State::busy);
    worker.resumed = &connection;
    count(listener, connection);
}

void send_on(Listener &listener, Worker &worker, Connection &connection) {
    move_to(listener, worker, connection, State::sending);
    count(listener, connection);
}

void keep(Listener &listener, const Worker &worker, Connection &connection) {
    detach(listener, connection);
    // A parser that has not become a worker leaves nobody to whom it could be given.
    if (!connection.returnable || worker.pool->is_of_parsers()) return shut_down(listener, connection);
    wait_for_next(listener, connection);
}

void mistrust_hint(Listener &listener, const Worker &worker, const Connection &connection) {
    if (worker.pool->is_of_parsers() || connection.route_generation != listener.settings.generation) return;
    const VhostIndex vhost = connection.route.vhost;
    if (!listener.hints.refute(connection.hint, vhost, worker.pool->identity, listener.now)) return;
    listener.master.notice(listener.now, wire::NoticeCode::hints_off, number(vhost), listener.settings.generation);
}

void take_report(Listener &listener, Worker &worker, const wire::Report &report) {
    const auto outcome = static_cast<wire::Outcome>(report.header.code);
    Connection *connection = listener.connections.find(report.id);
    if (!worker.serving || !fits(worker, connection, outcome)) return lose_broken(listener, worker);
    if ((report.header.flags & wire::Report::last) != 0) worker.last = true;
    if ((report.header.flags & wire::Report::misdirected) != 0) mistrust_hint(listener, worker, *connection);
    connection->answered = true;
    connection->keepalives = report.keepalives;
    if (connection->state == State::busy && !worker.was_parser) worker.pool->served++;
    switch (outcome) {
    case wire::Outcome::keep: keep(listener, worker, *connection); break;
    case wire::Outcome::close:
    case wire::Outcome::end:
        detach(listener, *connection);
        drain(listener, *connection);
        break;
    case wire::Outcome::park: move_to(listener, worker, *connection, State::parked); break;
    case wire::Outcome::resume: resume(listener, worker, *connection); break;
    case wire::Outcome::send: send_on(listener, worker, *connection); break;
    case wire::Outcome::tend: move_to(listener, worker, *connection, State::tended); break;
    }
    settle(listener, worker);
}

void take(Listener &listener, Worker &worker, ByteView message) {
    const auto type = wire::recognise(message, wire::Peer::worker, wire::Peer::listener);
    if (type == wire::Type::report) return take_report(listener, worker, wire::decode<wire::Report>(message));
    if (type != wire::Type::serving || worker.serving) return lose_broken(listener, worker);
    worker.serving = true;
    wire::Started started;
    started.slot = worker.slot;
    started.worker = worker.id;
    listener.master.send(started);
}

// False: there is nothing more now, or the worker is lost.
bool read_some(Listener &listener, Worker &worker) {
    const Result filled = worker.reports.fill(worker.channel.up.get());
    if (filled.ok()) return true;
    if (filled.error != EAGAIN && filled.error != EINTR) lose(listener, worker);
    return false;
}

} // namespace

bool read_reports(Listener &listener, Worker &worker) {
    if (!read_some(listener, worker)) return true;
    if (worker.pool->is_of_parsers()) return false;
    judge_reports(listener, worker);
    return true;
}

void judge_reports(Listener &listener, Worker &worker) {
    while (worker.state != WorkerState::lost) {
        const ByteView message = worker.reports.next();
        if (message.empty()) return;
        take(listener, worker, message);
    }
}

void read_last_reports(Listener &listener, Worker &worker) {
    do judge_reports(listener, worker);
    while (worker.state != WorkerState::lost && read_some(listener, worker));
}

} // namespace itk2::listener
