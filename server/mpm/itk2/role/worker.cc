// What it is: a process that is one identity: takes connections from the listener, lets httpd serve them, reports.
// Runs as: the identity, without a capability. Trusts: the listener to be slow or dead, nothing more.
// Never does: hold two connections that could be somewhere else; exit with a connection it was given unread.
#include "role/worker.h"

#include "httpd/client.h"
#include "httpd/log.h"
#include "httpd/serving.h"
#include "httpd/settings.h"
#include "os/clock.h"
#include "plan/patience.h"
#include "role/parking.h"
#include "role/tended.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <optional>

namespace itk2::role {
namespace {

volatile std::sig_atomic_t is_serving = 0;
int channel_to_shut = -1;

// As under prefork, a stop cuts the request that is being answered. Else the channel ends, so that the wait for its
// next message does; a system call that restarts after signals, as PHP has it, would not.
void end_on_signal(int) {
    if (is_serving) _exit(status(ExitCode::cut_short));
    shutdown(channel_to_shut, SHUT_RD);
}

// A light request takes less; others' clients are not to notice one that is none.
constexpr std::int64_t long_ms = 50;
// How many times KeepAliveWait one that is tended may be silent: a client among many has others' answers to wait for.
constexpr std::int64_t tended_waits = 40;
// For how long none is tended after a long one.
constexpr std::int64_t long_counts_ms = 1000;

// A process has one of each. Not on the stack, where they would have to be written to: most workers never use them.
constinit Parking parking;
constinit Tended tended;

struct Dispatched {
    httpd::Client *client;
    ConnectionId id;
    bool may_tend = false;
    Tended::Place *place = nullptr; // while it is tended
};

class Worker {
  public:
    explicit Worker(wire::LowerEnd channel)
        : channel_(std::move(channel)),
          patience_(httpd::settings().keepalive_wait_ms),
          tended_wait_ms_(httpd::settings().keepalive_wait_ms * tended_waits),
          connections_left_(httpd::settings().max_connections_per_worker) {
        httpd::note_way({make_way, is_way_wanted, this});
    }

    [[noreturn]] void run();

  private:
    void await_something();
    bool serve_waiting();
    void read_message();
    void take(const wire::Connection &message);
    void serve(Dispatched dispatched);
    static bool make_way(void *self, bool is_long);
    static bool is_way_wanted(const void *self);
    [[nodiscard]] bool tend(const Dispatched &dispatched);
    void leave_tended(Dispatched &dispatched);
    void answer_tended();
    void give_back_tended();
    void give_back_silent(std::int64_t looked_ms);
    void give_back(Tended::Place &place);
    void give_back(httpd::Client *client, ConnectionId id);
    bool await_next_request(const Dispatched &dispatched);
    [[nodiscard]] bool send_on(const Dispatched &dispatched);
    void send_to_readers();
    void leave_to_rest(const Dispatched &dispatched);
    void resume_parked();
    void park(Dispatched dispatched);
    void end_overdue();
    void report(wire::Outcome outcome, ConnectionId id, std::uint32_t keepalives = 0, std::uint16_t flags = 0);
    void send_up(ByteView message);
    [[noreturn]] void leave(ExitCode code);

    wire::LowerEnd channel_;
    wire::Received received_;
    std::optional<Dispatched> waiting_; // came while another was being served
    Dispatched *served_ = nullptr;      // now
    plan::Patience patience_;
    std::int64_t tended_wait_ms_;
    std::int64_t look_for_silent_ms_ = 0;
    std::int64_t none_tended_until_ms_ = 0;
    std::uint32_t connections_left_; // MaxConnectionsPerChild; 0: no limit
    bool last_ = false;              // give me nothing more
    bool others_wait_ = false;
    bool finishing_ = false;
    bool close_parked_ = false;
    bool is_orphan_ = false; // the listener is no more, and with it every connection
};

void Worker::run() {
    wire::Serving serving;
    send_up(wire::encode(serving));
    for (;;) {
        if (serve_waiting()) continue;
        if (finishing_) give_back_tended();
        if (close_parked_) parking.make_overdue(is_orphan_);
        end_overdue();
        if (finishing_ && parking.is_empty()) leave(ExitCode::retired);
        await_something();
    }
}

void Worker::await_something() {
    if (parking.is_empty() && tended.is_empty()) {
        read_message();
        return;
    }
    if (!tended.is_empty()) httpd::note_waiting();
    const std::int64_t now_ms = os::monotonic_ms();
    const std::int64_t until_ms = tended.is_empty() ? INT64_MAX : look_for_silent_ms_;
    const bool is_ready = parking.wait(channel_.down.get(), tended.descriptor(), now_ms, until_ms);
    if (is_ready && parking.channel_is_ready()) read_message();
    (void)serve_waiting();
    answer_tended();
    give_back_silent(now_ms);
    if (!is_ready) return;
    send_to_readers();
    if (!waiting_) resume_parked();
}

bool Worker::serve_waiting() {
    if (!waiting_) return false;
    const Dispatched next = *waiting_;
    waiting_.reset();
    serve(next);
    return true;
}

void Worker::read_message() {
    const Result result = wire::receive_down(channel_.down.get(), received_);
    if (result.error == EINTR || result.error == EAGAIN) return;
    if (result.step == Step::peer_closed) {
        finishing_ = close_parked_ = is_orphan_ = true;
        return;
    }
    const auto type =
        result.ok() ? wire::recognise(received_.view(), wire::Peer::listener, wire::Peer::worker) : std::nullopt;
    if (type == wire::Type::connection && received_.descriptor_count == 1 && !waiting_) {
        take(wire::decode<wire::Connection>(received_.view()));
    } else if (type == wire::Type::hurry) {
        others_wait_ = true;
    } else if (type == wire::Type::finish) {
        const auto message = wire::decode<wire::Finish>(received_.view());
        finishing_ = true;
        close_parked_ = close_parked_ || message.header.code == wire::Finish::close_parked;
        httpd::begin_finishing();
    } else {
        httpd::log_failed_step("worker", "", refused(Step::protocol));
        leave(ExitCode::broken_peer);
    }
}

void Worker::take(const wire::Connection &message) {
    others_wait_ = (message.header.flags & wire::Connection::others_wait) != 0;
    if (connections_left_ > 0 && message.keepalives == 0 && --connections_left_ == 0) last_ = true;
    httpd::Admission admission;
    admission.descriptor = std::move(received_.descriptors[0]);
    admission.keepalives = message.keepalives;
    admission.replay = ByteView(message.replay.data(), message.replay_length);
    admission.head_length = message.head_length;
    admission.may_move = (message.header.flags & wire::Connection::may_move) != 0;
    admission.returnable = (message.header.flags & wire::Connection::not_returnable) == 0;
    httpd::Client *client = httpd::admit(std::move(admission));
    if (client == nullptr)
        report(wire::Outcome::close, message.id);
    else
        waiting_ = Dispatched{client, message.id, (message.header.flags & wire::Connection::may_tend) != 0};
}

void Worker::serve(Dispatched dispatched) {
    is_serving = 1;
    served_ = &dispatched;
    httpd::Client *client = dispatched.client;
    for (;;) {
        httpd::Turn turn = httpd::serve(*client);
        // A parser that has not become anything has nothing more to do.
        if (!httpd::is_identified()) last_ = true;
        if (turn == httpd::Turn::wait && tend(dispatched)) break;
        leave_tended(dispatched);
        if (turn == httpd::Turn::send) {
            if (httpd::is_identified() && send_on(dispatched)) break;
            turn = httpd::send_rest(*client);
        }
        if (turn == httpd::Turn::end || !httpd::is_identified()) {
            const bool misdirected = httpd::was_misdirected(*client);
            httpd::end(client);
            report(wire::Outcome::close, dispatched.id, 0, misdirected ? wire::Report::misdirected : std::uint16_t{0});
            break;
        }
        if (turn == httpd::Turn::next || await_next_request(dispatched)) continue;
        leave_to_rest(dispatched);
        break;
    }
    served_ = nullptr;
    is_serving = 0;
}

// Many want a worker: this connection's light requests are answered here, in turn with theirs.
bool Worker::tend(const Dispatched &dispatched) {
    if (!dispatched.may_tend || tended_wait_ms_ == 0 || finishing_ || last_ || (tended.is_empty() && !others_wait_))
        return false;
    const std::int64_t now_ms = os::monotonic_ms();
    if (now_ms < none_tended_until_ms_ || !httpd::is_returnable(*dispatched.client)) return false;
    if (dispatched.place != nullptr) {
        dispatched.place->since_ms = now_ms;
        return true;
    }
    if (tended.is_full()) give_back(*tended.oldest());
    if (!tended.add(dispatched.client, dispatched.id, now_ms)) return false;
    report(wire::Outcome::tend, dispatched.id, httpd::keepalives(*dispatched.client));
    return true;
}

// What follows is more than a light request's end: the listener hears of it.
void Worker::leave_tended(Dispatched &dispatched) {
    if (dispatched.place == nullptr) return;
    tended.remove(*dispatched.place);
    dispatched.place = nullptr;
    report(wire::Outcome::resume, dispatched.id, httpd::keepalives(*dispatched.client));
}

void Worker::answer_tended() {
    tended.look();
    while (Tended::Place *place = finishing_ ? nullptr : tended.next_ready()) {
        if (!httpd::may_go_on_lightly(*place->client)) {
            give_back(*place);
            continue;
        }
        const std::int64_t begun_ms = os::monotonic_ms();
        serve({place->client, place->id, true, place});
        if (os::monotonic_ms() - begun_ms > long_ms) (void)make_way(this, true);
    }
}

// Before a request that may take its time: others do not wait for it.
bool Worker::make_way(void *self, bool is_long) {
    auto &worker = *static_cast<Worker *>(self);
    if (is_long) worker.none_tended_until_ms_ = os::monotonic_ms() + long_counts_ms;
    if (worker.served_ != nullptr) worker.leave_tended(*worker.served_);
    if (tended.is_empty()) return false;
    worker.give_back_tended();
    return true;
}

bool Worker::is_way_wanted(const void *self) {
    return static_cast<const Worker *>(self)->others_wait_ || !tended.is_empty();
}

void Worker::give_back_tended() {
    while (Tended::Place *place = tended.oldest()) give_back(*place);
}

void Worker::give_back_silent(std::int64_t looked_ms) {
    if (looked_ms < look_for_silent_ms_) return;
    look_for_silent_ms_ = looked_ms + tended_wait_ms_ / 2;
    while (Tended::Place *place = tended.find_silent(looked_ms - tended_wait_ms_)) give_back(*place);
}

void Worker::give_back(Tended::Place &place) {
    httpd::Client *client = place.client;
    const ConnectionId id = place.id;
    tended.remove(place);
    give_back(client, id);
}

void Worker::give_back(httpd::Client *client, ConnectionId id) {
    const std::uint32_t keepalives = httpd::keepalives(*client);
    httpd::release(client);
    report(wire::Outcome::keep, id, keepalives);
}

// Answered: the listener waits for its next request, or we do where it can't.
void Worker::leave_to_rest(const Dispatched &dispatched) {
    if (!httpd::is_returnable(*dispatched.client)) return park(dispatched);
    give_back(dispatched.client, dispatched.id);
}

// Its client reads slowly: others are served meanwhile. False: there is no room.
bool Worker::send_on(const Dispatched &dispatched) {
    Parked parked{dispatched.client, dispatched.id};
    parked.awaits = Awaits::reading;
    parked.deadline_ms = os::monotonic_ms() + httpd::send_timeout_ms(*dispatched.client);
    if (!parking.add(parked)) return false;
    report(wire::Outcome::send, dispatched.id, httpd::keepalives(*dispatched.client));
    return true;
}

void Worker::send_to_readers() {
    Parked parked;
    while (parking.take_ready(Awaits::reading, parked)) {
        const Dispatched dispatched{parked.client, parked.id};
        switch (httpd::send_more(*parked.client)) {
        case httpd::Turn::send:
            parked.deadline_ms = os::monotonic_ms() + httpd::send_timeout_ms(*parked.client);
            (void)parking.add(parked); // there is room: it was there before
            break;
        case httpd::Turn::next:
            report(wire::Outcome::resume, parked.id);
            serve(dispatched);
            break;
        case httpd::Turn::wait: leave_to_rest(dispatched); break;
        case httpd::Turn::end:
            httpd::end(parked.client);
            report(wire::Outcome::close, parked.id);
            break;
        }
    }
}

// Whether the next request came soon enough to be served here and now.
bool Worker::await_next_request(const Dispatched &dispatched) {
    const std::uint32_t most_ms = patience_.wait_ms();
    if (most_ms == 0 || others_wait_ || finishing_ || last_ || waiting_ || parking.is_sending() || !tended.is_empty())
        return false;
    httpd::note_waiting();
    pollfd watched[2] = {{httpd::descriptor(*dispatched.client), POLLIN, 0}, {channel_.down.get(), POLLIN, 0}};
    const int ready = poll(watched, 2, static_cast<int>(most_ms));
    if (ready > 0 && watched[1].revents != 0) read_message();
    if (ready > 0 && watched[0].revents != 0) {
        patience_.request_came();
        // Others take turns with this connection.
        return !others_wait_ && !finishing_ && !waiting_ && httpd::may_go_on(*dispatched.client);
    }
    if (ready == 0) patience_.none_came();
    return false;
}

void Worker::resume_parked() {
    Parked parked;
    if (!parking.take_ready(Awaits::request, parked)) return;
    if (httpd::head_is_whole(*parked.client)) {
        report(wire::Outcome::resume, parked.id);
        serve({parked.client, parked.id});
        return;
    }
    if (httpd::head_has_begun(*parked.client)) parked.begin_head(os::monotonic_ms());
    (void)parking.add(parked); // there is room: it was there before
}

void Worker::park(Dispatched dispatched) {
    const std::int64_t now_ms = os::monotonic_ms();
    Parked parked{dispatched.client, dispatched.id};
    parked.deadline_ms = now_ms + httpd::keepalive_timeout_ms(*dispatched.client);
    if (httpd::head_has_begun(*dispatched.client)) parked.begin_head(now_ms);
    if (parking.add(parked)) {
        report(wire::Outcome::park, dispatched.id, httpd::keepalives(*dispatched.client));
        return;
    }
    httpd::end(dispatched.client);
    report(wire::Outcome::close, dispatched.id);
}

void Worker::end_overdue() {
    Parked parked;
    while (parking.take_overdue(os::monotonic_ms(), parked)) {
        if (parked.awaits == Awaits::reading) {
            httpd::abandon(parked.client);
            report(wire::Outcome::close, parked.id);
            continue;
        }
        if (parked.head_has_begun && parked.deadline_ms > 0) httpd::answer_late_head(*parked.client);
        httpd::end(parked.client);
        report(wire::Outcome::end, parked.id);
    }
}

void Worker::report(wire::Outcome outcome, ConnectionId id, std::uint32_t keepalives, std::uint16_t flags) {
    wire::Report message;
    message.header.code = static_cast<std::uint8_t>(outcome);
    message.header.flags = static_cast<std::uint16_t>(flags | (last_ ? wire::Report::last : 0));
    message.id = id;
    message.keepalives = keepalives;
    send_up(wire::encode(message));
}

void Worker::send_up(ByteView message) {
    // Without a listener there is nobody to serve for.
    if (!wire::send_up(channel_.up.get(), message).ok()) finishing_ = close_parked_ = is_orphan_ = true;
}

void Worker::leave(ExitCode code) { httpd::leave(code); }

} // namespace

void end_on_stop(const wire::LowerEnd &channel) {
    channel_to_shut = channel.down.get();
    struct sigaction action = {};
    action.sa_handler = end_on_signal;
    sigaction(SIGTERM, &action, nullptr);
}

void run_worker(wire::LowerEnd channel) { Worker(std::move(channel)).run(); }

} // namespace itk2::role
