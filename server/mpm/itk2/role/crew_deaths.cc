// What it is: what becomes of the others when a process of the instance ends; and how all of them end.
#include "role/crew.h"

#include "httpd/lifecycle.h"
#include "httpd/log.h"
#include "httpd/settings.h"
#include "os/adopted.h"
#include "os/clock.h"
#include "os/process.h"

#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace itk2::role {
namespace {

constexpr std::int64_t youth_ms = 2000; // who ends by himself so soon never did his work
// For how long nobody may end before those that are left count as hung: some time, and more for each of them, as they share
// the processors (PHP's end takes 10 to 80 ms of one). And for how long the whole may take, whatever ends.
constexpr std::int64_t end_patience_ms = 5000;
constexpr std::int64_t patience_for_each_ms = 50;
constexpr std::int64_t longest_end_ms = 30'000;
constexpr std::int64_t adopted_patience_ms = 5000; // for the ends of what was killed

// Somebody outside wanted it: that says nothing about the next one.
bool was_killed(int wait_status) {
    return WIFSIGNALED(wait_status) && (WTERMSIG(wait_status) == SIGKILL || WTERMSIG(wait_status) == SIGTERM);
}

BirthOf birth_of(int wait_status, bool has_served) {
    if (exited_with(wait_status, ExitCode::retired) || exited_with(wait_status, ExitCode::cut_short))
        return BirthOf::retired;
    if (exited_with(wait_status, ExitCode::failed_at_birth)) return BirthOf::failed;
    if (was_killed(wait_status)) return BirthOf::killed;
    return has_served ? BirthOf::crashed : BirthOf::failed;
}

} // namespace

Words describe(int wait_status) {
    if (WIFSIGNALED(wait_status)) return {"signal", WTERMSIG(wait_status)};
    return {"exit status", WEXITSTATUS(wait_status)};
}

bool exited_with(int wait_status, ExitCode code) {
    return WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == status(code);
}

const char *name_of(const Child &child) {
    return child.identity == no_identity ? "nobody yet" : httpd::identity(child.identity).name;
}

void Crew::reap() {
    for (;;) {
        int wait_status = 0;
        const pid_t pid = waitpid(-1, &wait_status, WNOHANG);
        if (pid < 0 && errno == EINTR) continue;
        if (pid <= 0) return;
        note_ended(pid, wait_status);
    }
}

void Crew::note_ended(pid_t pid, int wait_status) {
    for (std::uint32_t place = 0; place < memory_.listener_count; place++)
        if (memory_.listeners[place].pid == pid) return note_listener_ended(place, wait_status);
    for (Resolver &resolver : memory_.resolvers)
        if (resolver.pid == pid) return note_resolver_ended(resolver);
    if (memory_.scribe.pid == pid) return note_scribe_ended(wait_status);
    Child *child = memory_.children.find(pid);
    if (child == nullptr) {
        (void)httpd::note_other_child_ended(pid, wait_status);
        return;
    }
    httpd::note_child_ended(pid, child->generation);
    if (child->stage == Stage::spare)
        note_spare_ended(*child, wait_status);
    else
        note_worker_ended(*child, wait_status);
    const Child ended = *child;
    memory_.children.remove(*child);
    if (ended.identity == no_identity) return;
    note_memory_left(ended, wait_status);
    note_pool_member_ended(ended.identity);
}

// The next worker of this identity finds it as the last one left it, unless that one may have been in the middle of
// something. What a pool's limit counts would be out of its count, once its cgroup is gone.
void Crew::note_memory_left(const Child &ended, int wait_status) {
    if (ended.was_parser || ended.generation != httpd::generation()) return; // those have others
    if (memory_.children.has_worker(ended.identity, ended.generation)) return;
    if (exited_with(wait_status, ExitCode::retired) && httpd::pool_limits(ended.identity)[Limit::memory] == 0)
        segments_.rest(ended.identity);
    else
        segments_.drop(ended.identity);
}

void Crew::note_listener_ended(std::uint32_t place, int wait_status) {
    ListenerProcess &listener = memory_.listeners[place];
    if (!ending_ && !(listener.is_drained && exited_with(wait_status, ExitCode::finished))) {
        const Words words = describe(wait_status);
        httpd::log(httpd::LogId::listener_died, place, static_cast<int>(listener.pid), words.how, words.number);
        const std::int64_t now_ms = os::monotonic_ms();
        if (now_ms - listener.since_ms < youth_ms) listener.throttle.birth_failed(now_ms);
    }
    memory_.staffing.forget_asked(place);
    forget(listener);
}

void Crew::note_spare_ended(Child &spare, int wait_status) {
    if (spare.dismissed || ending_) return;
    const Words words = describe(wait_status);
    httpd::log(httpd::LogId::spare_died, static_cast<int>(spare.pid), words.how, words.number);
    const std::int64_t now_ms = os::monotonic_ms();
    if (was_killed(wait_status)) return;
    memory_.spare_throttle.birth_failed(now_ms);
    httpd::log(httpd::LogId::spares_throttled, memory_.spare_throttle.wait_ms());
}

void Crew::judge_births(const Child &worker, int wait_status, BirthOf birth, std::int64_t now_ms) {
    const char *name = name_of(worker);
    plan::Throttle *throttle = memory_.staffing.throttle(worker.identity);
    const bool lacked_memory = note_memory_limit(worker, wait_status);
    // The next one may well meet the same end.
    if (lacked_memory) birth = BirthOf::crashed;
    if (birth != BirthOf::retired && !lacked_memory) {
        const Words words = describe(wait_status);
        httpd::log(httpd::LogId::worker_died, name, static_cast<int>(worker.pid), words.how, words.number);
    }
    if (birth == BirthOf::failed) {
        const bool will_again = exited_with(wait_status, ExitCode::failed_at_birth);
        throttle->birth_failed(now_ms, will_again ? plan::Cause::step : plan::Cause::crash);
        httpd::log(httpd::LogId::workers_throttled, name, throttle->wait_ms());
    } else if (birth == BirthOf::crashed) {
        if (throttle->crashed(now_ms)) httpd::log(httpd::LogId::crashes_throttled, name, throttle->wait_ms());
    } else {
        throttle->birth_succeeded();
        memory_.spare_throttle.birth_succeeded();
    }
}

// Also where it has been dismissed: whoever waits for its answer has been told.
void Crew::note_resolver_ended(Resolver &resolver) {
    if (resolver.up >= 0 && !ending_) hear_resolver(resolver);
    forget(resolver);
    if (!ending_) answer_waiting(os::monotonic_ms());
}

void Crew::note_worker_ended(Child &worker, int wait_status) {
    show_nobody(worker.slot);
    memory_.evictions.worker_ended();
    if (ending_) return;
    const std::int64_t now_ms = os::monotonic_ms();
    // What the listener has said of it may still be on its way.
    if (!worker.has_served && memory_.listeners[worker.listener].up >= 0) hear_listener(worker.listener);
    const BirthOf birth = birth_of(wait_status, worker.has_served);
    if (worker.stage == Stage::parser)
        note_parser_ended(worker, wait_status, birth);
    else
        judge_births(worker, wait_status, birth, now_ms);
    wire::Gone message;
    message.slot = worker.slot;
    message.worker = worker.worker;
    tell_listener_of(worker, wire::encode(message));
}

std::uint32_t Crew::count_left() {
    std::uint32_t left = memory_.children.count();
    for (const ListenerProcess &listener : listeners()) left += listener.pid != 0;
    for (const Resolver &resolver : memory_.resolvers) left += resolver.pid != 0;
    return left;
}

void Crew::signal_all(int number) {
    for (const ListenerProcess &listener : listeners())
        if (listener.pid != 0) os::signal_child(listener.pid, number);
    for (const Resolver &resolver : memory_.resolvers)
        if (resolver.pid != 0) os::signal_child(resolver.pid, SIGKILL);
    for (const Child &child : memory_.children.all()) {
        if (child.stage == Stage::none) continue;
        // Each leads a process group: what it started and did not wait for ends with it.
        kill(-child.pid, number);
        os::signal_child(child.pid, number);
    }
}

// Until all have ended, or those that are left are hung.
void Crew::await_ends() {
    const std::int64_t last_ms = os::monotonic_ms() + longest_end_ms;
    std::int64_t deadline_ms = 0;
    std::uint32_t waited_for = UINT32_MAX;
    for (;;) {
        reap();
        const std::uint32_t left = count_left();
        const std::int64_t now_ms = os::monotonic_ms();
        if (left < waited_for) deadline_ms = std::min(now_ms + end_patience_ms + patience_for_each_ms * left, last_ms);
        if (left == 0 || now_ms >= deadline_ms) return;
        waited_for = left;
        os::sleep_briefly();
    }
}

void Crew::end_all() {
    ending_ = true;
    signal_all(SIGTERM);
    await_ends();
    if (const std::uint32_t left = count_left(); left != 0) httpd::log(httpd::LogId::children_killed, left);
    for (; count_left() != 0; reap()) {
        signal_all(SIGKILL);
        os::sleep_briefly();
    }
    memory_.pools.end_all();
    end_scribe();
    end_adopted();
    ending_ = false;
}

// What the sites' scripts have started and left behind, now that nobody is there who could start more.
void Crew::end_adopted() {
    const std::int64_t deadline = os::monotonic_ms() + adopted_patience_ms;
    for (;;) {
        std::uint32_t left = 0;
        const Result result = os::kill_adopted(left);
        if (!result.ok()) return httpd::log_failed_step("master", "", result);
        if (left == 0) return;
        if (os::monotonic_ms() >= deadline) return httpd::log(httpd::LogId::adopted_left, left);
        os::sleep_briefly();
        reap();
    }
}

} // namespace itk2::role
