// What it is: the master's dealings with its listeners.
// Distrusts: what they say: fixed-size messages on their own channels, each number checked.
#include "role/crew.h"

#include "httpd/lifecycle.h"
#include "httpd/log.h"
#include "httpd/settings.h"
#include "os/clock.h"
#include "os/process.h"

#include <csignal>
#include <cstring>

namespace itk2::role {

bool Crew::start_one_listener(std::uint32_t place) {
    ListenerProcess &listener = memory_.listeners[place];
    memory_.staffing.forget_asked(place);
    const Result result = start_listener(listener, place);
    if (!result.ok()) {
        httpd::log(httpd::LogId::listener_not_started, place, step_name(result.step), httpd::error_words(result),
                   result.error);
        return false;
    }
    httpd::log(httpd::LogId::listener_started, place, static_cast<int>(listener.pid));
    return true;
}

bool Crew::tell_one_generation(std::uint32_t place) {
    const int memory[] = {listeners_memory_->table.get(), listeners_memory_->counters.get()};
    const Result result =
        tell_generation(memory_.listeners[place], httpd::generation(), httpd::listening_sockets(place), memory);
    if (result.ok()) return true;
    httpd::log(httpd::LogId::generation_refused, place, step_name(result.step), httpd::error_words(result),
               result.error);
    return false;
}

bool Crew::begin_generation(httpd::ListenersMemory &memory) {
    listeners_memory_ = &memory;
    for (std::uint32_t place = 0; place < memory_.listener_count; place++) {
        if (memory_.listeners[place].pid == 0 && !start_one_listener(place)) return false;
        // One that does not take it is replaced by one that starts with it.
        if (!tell_one_generation(place)) end_listener(place);
    }
    return true;
}

bool Crew::is_ready() const {
    for (std::uint32_t place = 0; place < memory_.listener_count; place++)
        if (memory_.listeners[place].pid == 0 || memory_.listeners[place].ready != httpd::generation()) return false;
    return true;
}

bool Crew::all_listeners_run() const {
    for (std::uint32_t place = 0; place < memory_.listener_count; place++)
        if (memory_.listeners[place].pid == 0) return false;
    return true;
}

void Crew::revive_listeners(std::int64_t now_ms) {
    for (std::uint32_t place = 0; place < memory_.listener_count; place++) {
        ListenerProcess &listener = memory_.listeners[place];
        if (listener.pid != 0 || now_ms < listener.throttle.not_before_ms()) continue;
        if (!start_one_listener(place))
            listener.throttle.birth_failed(now_ms);
        else if (!tell_one_generation(place))
            end_listener(place);
    }
}

std::size_t Crew::watch(std::span<pollfd, max_watched> watched) {
    std::size_t count = 0;
    for (const ListenerProcess &listener : listeners()) watched[count++] = {listener.up, POLLIN, 0};
    for (const Resolver &resolver : memory_.resolvers) watched[count++] = {resolver.up, POLLIN, 0};
    watched_parser_count_ = 0;
    for (Child &child : memory_.children.all()) {
        if (child.stage != Stage::parser || child.up < 0 || watched_parser_count_ == max_parsers) continue;
        watched_parsers_[watched_parser_count_++] = &child;
        watched[count++] = {child.up, POLLIN, 0};
    }
    return count;
}

void Crew::hear(std::span<const pollfd> watched) {
    std::size_t at = 0;
    for (std::uint32_t place = 0; place < memory_.listener_count; place++)
        if (watched[at++].revents != 0) hear_listener(place);
    for (Resolver &resolver : memory_.resolvers)
        if (watched[at++].revents != 0 && resolver.up >= 0) hear_resolver(resolver);
    for (std::uint32_t i = 0; i < watched_parser_count_; i++) {
        Child &parser = *watched_parsers_[i];
        if (watched[at++].revents != 0 && parser.stage == Stage::parser && parser.up >= 0) hear_parser(parser);
    }
}

void Crew::hear_listener(std::uint32_t place) {
    ListenerProcess &listener = memory_.listeners[place];
    const Result result = listener.reader.fill(listener.up);
    if (result.error == EAGAIN || result.error == EINTR) return;
    if (!result.ok()) { // its end, or as good as: reap() sees to the rest
        end_listener(place);
        return;
    }
    for (ByteView message = listener.reader.next(); !message.empty(); message = listener.reader.next()) {
        if (listener.down < 0) return;
        obey(place, message);
    }
}

void Crew::obey(std::uint32_t place, ByteView message) {
    ListenerProcess &listener = memory_.listeners[place];
    bool makes_sense = true;
    switch (wire::recognise(message, wire::Peer::listener, wire::Peer::master).value_or(wire::Type::order)) {
    case wire::Type::ready:
        listener.ready = wire::decode<wire::Ready>(message).generation;
        listener.kept = wire::decode<wire::Ready>(message).header.flags;
        listener.throttle.birth_succeeded();
        break;
    case wire::Type::want: {
        const auto want = wire::decode<wire::Want>(message);
        makes_sense = memory_.staffing.asked(place, want.identity, want.total);
        break;
    }
    case wire::Type::notice: note(place, wire::decode<wire::Notice>(message)); break;
    case wire::Type::broken: end_broken_worker(place, wire::decode<wire::Broken>(message)); break;
    case wire::Type::started: note_started(place, wire::decode<wire::Started>(message)); break;
    case wire::Type::drained: listener.is_drained = true; break;
    default: makes_sense = false;
    }
    if (makes_sense) return;
    httpd::log(httpd::LogId::listener_broke_protocol, place, static_cast<int>(listener.pid));
    end_listener(place);
}

namespace {

// Whose queue it is; null where nobody is called so.
const char *queue_name(IdentityKey identity) {
    if (identity == no_identity) return "parsers";
    return httpd::is_identity(identity) ? httpd::identity(identity).name : nullptr;
}

void log_end(std::uint32_t place, pid_t pid, const wire::Notice &notice) {
    const Result reason{static_cast<Step>(notice.header.flags), static_cast<int>(notice.a)};
    httpd::log(httpd::LogId::listener_ends, place, static_cast<int>(pid), step_name(reason.step),
               httpd::error_words(reason), reason.error);
}

void log_vhost(httpd::LogId id, const wire::Notice &notice) {
    if (notice.generation != httpd::generation()) return; // its number means another vhost by now
    const char *name = nullptr;
    std::uint16_t port = 0;
    httpd::vhost_name(VhostIndex{notice.a}, name, port);
    httpd::log(id, name, static_cast<unsigned>(port));
}

} // namespace

void Crew::note(std::uint32_t place, const wire::Notice &notice) {
    using httpd::LogId;
    const char *name = queue_name(IdentityKey{notice.a});
    switch (static_cast<wire::NoticeCode>(notice.header.code)) {
    case wire::NoticeCode::max_clients_vhost: return log_vhost(LogId::max_clients_vhost, notice);
    case wire::NoticeCode::hints_off: return log_vhost(LogId::hints_off, notice);
    case wire::NoticeCode::queue_full:
        if (name != nullptr) httpd::log(LogId::queue_full, name);
        return;
    case wire::NoticeCode::queue_deadline:
        if (name != nullptr) httpd::log(LogId::queue_deadline, name);
        return;
    case wire::NoticeCode::shed_idle: httpd::log(LogId::shed_idle, notice.a); return;
    case wire::NoticeCode::accept_failed:
        httpd::log(LogId::accept_failed, strerror(static_cast<int>(notice.a)), notice.a);
        return;
    case wire::NoticeCode::descriptors_short: httpd::log(LogId::descriptors_short, notice.a); return;
    case wire::NoticeCode::ending: return log_end(place, memory_.listeners[place].pid, notice);
    }
}

void Crew::note_started(std::uint32_t place, const wire::Started &message) {
    Child *worker = memory_.children.find_worker(message.slot, message.worker);
    if (worker != nullptr && worker->listener == place && worker->listener_pid == memory_.listeners[place].pid)
        worker->has_served = true;
}

void Crew::end_broken_worker(std::uint32_t place, const wire::Broken &message) {
    Child *worker = memory_.children.find_worker(message.slot, message.worker);
    // Only its own listener may say so of a worker.
    if (worker == nullptr || worker->listener != place || worker->listener_pid != memory_.listeners[place].pid) return;
    httpd::log(httpd::LogId::worker_broke_protocol, name_of(*worker), static_cast<int>(worker->pid));
    os::signal_child(worker->pid, SIGKILL);
}

void Crew::end_listener(std::uint32_t place) {
    ListenerProcess &listener = memory_.listeners[place];
    if (listener.pid == 0) return;
    memory_.staffing.forget_asked(place);
    os::signal_child(listener.pid, SIGKILL);
    const pid_t pid = listener.pid;
    forget(listener);
    listener.pid = pid; // until it is reaped
}

void Crew::tell_listener(std::uint32_t place, ByteView message) {
    ListenerProcess &listener = memory_.listeners[place];
    if (listener.down >= 0 && !tell(listener, message).ok()) end_listener(place);
}

void Crew::tell_all_listeners(ByteView message) {
    for (std::uint32_t place = 0; place < memory_.listener_count; place++) tell_listener(place, message);
}

void Crew::tell_listener_of(const Child &child, ByteView message) {
    if (memory_.listeners[child.listener].pid == child.listener_pid) tell_listener(child.listener, message);
}

void Crew::ask_listeners_to_stop() { tell_all_listeners(wire::encode(wire::Stop{})); }

bool Crew::is_drained() {
    for (const ListenerProcess &listener : listeners())
        if (listener.pid != 0 && !listener.is_drained) return false;
    return memory_.children.workers() == 0;
}

} // namespace itk2::role
