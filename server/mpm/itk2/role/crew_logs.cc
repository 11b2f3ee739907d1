// What it is: who writes to which log: the scribe, and what children are given. Runs as: the master.
#include "role/crew.h"

#include "httpd/lifecycle.h"
#include "httpd/log.h"
#include "httpd/logs.h"
#include "httpd/settings.h"
#include "os/clock.h"
#include "os/process.h"
#include "role/birth.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>

namespace itk2::role {
namespace {

constexpr std::int64_t end_patience_ms = 5000;
constexpr std::int64_t youth_ms = 2000;

// The logs messages to one child: as many as it takes.
template <typename Message> class LogsMessage {
  public:
    explicit LogsMessage(int down) : down_(down) {}
    Result add(int number, int descriptor) {
        if (message_.count == descriptors_.size())
            if (const Result result = flush(); !result.ok()) return result;
        // Owned until it is sent.
        descriptors_[message_.count].reset(fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
        if (!descriptors_[message_.count].is_open()) return failed(Step::make_logs);
        message_.numbers[message_.count++] = static_cast<std::uint32_t>(number);
        return success;
    }
    Result flush(std::uint16_t flags = 0) {
        if (message_.count == 0 && flags == 0) return success;
        message_.header.flags = flags;
        std::array<int, wire::max_sockets_a_message> numbers;
        for (std::size_t i = 0; i < message_.count; i++) numbers[i] = descriptors_[i].get();
        const Result result =
            wire::send_down_patiently(down_, wire::encode(message_), {numbers.data(), message_.count});
        for (os::Fd &descriptor : descriptors_) descriptor.reset();
        message_.count = 0;
        return result;
    }

  private:
    int down_;
    Message message_;
    std::array<os::Fd, wire::max_sockets_a_message> descriptors_;
};

} // namespace

bool Crew::start_scribe() {
    if (!httpd::are_logs_shared() || memory_.scribe.pid != 0) return true;
    memory_.has_broken_writers = false; // a new generation's are whole
    // One that died at birth: its time has not come yet, and nobody is served before.
    if (os::monotonic_ms() < memory_.scribe_throttle.not_before_ms()) return true;
    wire::UpperEnd upper;
    wire::LowerEnd lower;
    Result result = wire::make_channel(upper, lower);
    pid_t pid = -1;
    if (result.ok()) {
        pid = fork_child([&](pid_t master) {
            upper = {};
            if (const Result left = segments_.leave(); !left.ok()) fail_at_birth("scribe", "", left);
            run_scribe(std::move(lower), master);
        });
        if (pid < 0) result = failed(Step::fork_child);
    }
    if (!result.ok()) {
        httpd::log(httpd::LogId::scribe_not_started, step_name(result.step), httpd::error_words(result), result.error);
        return false;
    }
    memory_.scribe.pid = pid;
    memory_.scribe.since_ms = os::monotonic_ms();
    memory_.scribe.down = upper.down.release();
    return true;
}

bool Crew::has_scribe(std::int64_t now_ms) {
    if (!httpd::are_logs_shared() || memory_.scribe.down >= 0) return true;
    if (now_ms < memory_.scribe_throttle.not_before_ms()) return false;
    if (memory_.has_broken_writers) {
        memory_.has_broken_writers = false;
        kill(getpid(), SIGUSR1); // a generation with whole pipes takes the place of this one
        return false;
    }
    if (start_scribe()) return true;
    memory_.scribe_throttle.birth_failed(now_ms);
    return false;
}

// When nobody writes any more: it writes what there is, and ends.
void Crew::end_scribe() {
    if (memory_.scribe.pid == 0) return;
    close(memory_.scribe.down);
    memory_.scribe.down = -1;
    const std::int64_t deadline_ms = os::monotonic_ms() + end_patience_ms;
    while (memory_.scribe.pid != 0) {
        if (os::monotonic_ms() >= deadline_ms) os::signal_child(memory_.scribe.pid, SIGKILL);
        os::sleep_briefly();
        reap();
    }
}

// Its writers' pipes are broken. Their place is taken at once where it had lived, else in its throttle's time.
void Crew::note_scribe_ended(int wait_status) {
    const std::int64_t now_ms = os::monotonic_ms();
    const bool was_young = now_ms - memory_.scribe.since_ms < youth_ms;
    if (memory_.scribe.down >= 0) close(memory_.scribe.down);
    memory_.scribe = {};
    if (ending_) return;
    if (was_young)
        memory_.scribe_throttle.birth_failed(now_ms);
    else
        memory_.scribe_throttle.birth_succeeded();
    memory_.has_broken_writers = true;
    const Words words = describe(wait_status);
    httpd::log(httpd::LogId::scribe_died, words.how, words.number);
}

Result Crew::make_writer(int log, os::Fd &writing) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return failed(Step::make_logs);
    const os::Fd reading{ends[0]};
    writing.reset(ends[1]);
    const int descriptors[] = {reading.get(), log};
    return wire::send_down_patiently(memory_.scribe.down, wire::encode(wire::Writer{}), descriptors);
}

template <typename Message>
Result Crew::give_logs(int down, bool (*gets)(const httpd::Log &, IdentityKey), IdentityKey identity,
                       std::uint16_t last) {
    const std::span<const httpd::Log> all = httpd::logs();
    LogsMessage<Message> message(down);
    for (std::uint32_t file = 0; file < all.size(); file++) {
        if (all[file].file != file || !gets(all[file], identity)) continue;
        os::Fd writing;
        if (all[file].owner == no_identity)
            if (const Result result = make_writer(all[file].descriptor, writing); !result.ok()) return result;
        for (const httpd::Log &log : all) {
            if (log.file != file) continue;
            const Result result = message.add(log.descriptor, writing.is_open() ? writing.get() : log.descriptor);
            if (!result.ok()) return result;
        }
    }
    return message.flush(last);
}

Result Crew::give_spare_logs(int down, IdentityKey identity) {
    return give_logs<wire::Logs>(
        down,
        [](const httpd::Log &log, IdentityKey to) { return log.owner == no_identity && httpd::may_write(log, to); },
        identity, 0);
}

Result Crew::give_parser_logs(int down) {
    return give_logs<wire::ParserLogs>(
        down, [](const httpd::Log &log, IdentityKey) { return log.is_servers; }, no_identity, wire::Logs::last);
}

// The numbers are those of its own generation.
Result Crew::give_granted_logs(const Child &parser, IdentityKey identity) {
    if (parser.generation != httpd::generation()) return success;
    return give_logs<wire::ParserLogs>(
        parser.down,
        [](const httpd::Log &log, IdentityKey to) {
            return !log.is_servers && (log.owner == to || (log.owner == no_identity && httpd::may_write(log, to)));
        },
        identity, 0);
}

} // namespace itk2::role
