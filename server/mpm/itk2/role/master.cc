// What it is: the root process once the configuration is read: keeps the crew going until a signal ends the generation.
// Runs as: root. Trusts: the configuration. Distrusts: everything its children say.
// Never does: read a byte of a client, or memory that a child can write; wait for anyone.
#include "role/master.h"

#include "httpd/lifecycle.h"
#include "httpd/log.h"
#include "httpd/logs.h"
#include "httpd/serving.h"
#include "httpd/settings.h"
#include "httpd/table.h"
#include "os/adopted.h"
#include "os/clock.h"
#include "os/credentials.h"
#include "os/large_pages.h"
#include "os/process.h"
#include "role/birth.h"
#include "role/crew.h"
#include "role/title.h"
#include "role/worker.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <new>

namespace itk2::role {
namespace {

constexpr std::int64_t ready_patience_s = 30;
constexpr int calm_wait_ms = 1000; // monitors are due every second at most
constexpr int needy_wait_ms = 20;
// Of the master's memory in large pages: a birth waits for it for some milliseconds.
constexpr std::size_t between_births = 2 << 20;

void wake(int) {}

// ppoll() returns only for signals that are handled. The handler is gone while httpd reloads the module.
class ChildSignal {
  public:
    ChildSignal() { handle(wake); }
    ~ChildSignal() { handle(SIG_DFL); }
    ChildSignal(const ChildSignal &) = delete;
    ChildSignal &operator=(const ChildSignal &) = delete;

  private:
    static void handle(void (*handler)(int)) {
        struct sigaction action = {};
        action.sa_handler = handler;
        sigaction(SIGCHLD, &action, nullptr);
    }
};

class Master {
  public:
    explicit Master(CrewMemory &memory) : crew_(memory) {}

    Ending run();
    Ending run_one_process();

  private:
    bool begin();
    bool begin_apart();
    bool await_ready();
    void turn(bool keeps_spares);
    void wait(int timeout_ms);
    Ending end();
    Ending stopped();
    Ending stop_gracefully();
    Result become_self(const plan::Need &need, wire::LowerEnd &channel);

    ChildSignal child_signal_;
    Crew crew_;
    httpd::ListenersMemory listeners_memory_; // the counters are never mapped here
    bool has_more_to_do_ = false;
    os::Gathered gathered_;
    bool is_gathered_ = false;
};

CrewMemory *crew_memory() {
    auto *memory = static_cast<CrewMemory *>(httpd::retained_memory(sizeof(CrewMemory), crew_layout));
    if (memory != nullptr && !memory->is_in_use) new (memory) CrewMemory{};
    return memory;
}

// Signals that end a generation, and children that end, must interrupt ppoll() and nothing else.
void block_signals(sigset_t &before) {
    sigset_t all;
    sigemptyset(&all);
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGWINCH, SIGCHLD}) sigaddset(&all, number);
    sigprocmask(SIG_BLOCK, &all, &before);
}

void Master::wait(int timeout_ms) {
    std::array<pollfd, max_watched> watched;
    const std::size_t count = crew_.watch(watched);
    sigset_t before;
    block_signals(before);
    const httpd::Asked asked = httpd::asked();
    if (asked.stop || asked.restart) timeout_ms = 0;
    const timespec timeout{timeout_ms / 1000, timeout_ms % 1000 * 1'000'000L};
    const int ready = ppoll(watched.data(), count, &timeout, &before);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    if (ready > 0) crew_.hear(watched);
}

void Master::turn(bool keeps_spares) {
    wait(has_more_to_do_ || !is_gathered_ ? 0 : crew_.anyone_needs() ? needy_wait_ms : calm_wait_ms);
    crew_.reap();
    const std::int64_t now_ms = os::monotonic_ms();
    crew_.revive_listeners(now_ms);
    crew_.expire_lookups(now_ms);
    crew_.remove_cold_cgroups(now_ms);
    has_more_to_do_ = crew_.staff(now_ms, keeps_spares);
    if (!is_gathered_) is_gathered_ = !os::gather_more(gathered_, between_births);
    httpd::run_monitors();
}

// At the start only: later a listener that fails is replaced, and the server goes on.
bool Master::await_ready() {
    const std::int64_t deadline = os::monotonic_ms() + ready_patience_s * 1000;
    while (!crew_.is_ready()) {
        wait(needy_wait_ms);
        crew_.reap();
        const httpd::Asked asked = httpd::asked();
        if (asked.stop || asked.restart) return true;
        if (crew_.all_listeners_run() && os::monotonic_ms() < deadline) continue;
        httpd::log(httpd::LogId::listener_not_ready, static_cast<unsigned>(ready_patience_s),
                   httpd::settings().listener_program);
        return false;
    }
    return true;
}

// One process is one identity, and has nothing to keep from others.
bool Master::begin_apart() {
    const Result result = crew_.keep_memory_apart();
    if (!result.ok())
        httpd::log(httpd::LogId::segments_not_found, step_name(result.step), httpd::error_words(result), result.error);
    return result.ok();
}

bool Master::begin() {
    if (!httpd::begin_generation()) return false;
    if (const Result result = os::adopt_orphans(); !result.ok()) {
        httpd::log_failed_step("master", "", result);
        return false;
    }
    claim_title();
    set_title("master");
    if (!crew_.make_room()) {
        httpd::log(httpd::LogId::table_not_made, step_name(Step::map_memory), "not enough memory", ENOMEM);
        return false;
    }
    if (!httpd::is_one_process() && !begin_apart()) return false;
    if (const Result found = httpd::find_logs(); !found.ok()) {
        httpd::log(httpd::LogId::scribe_not_started, step_name(found.step), httpd::error_words(found), found.error);
        return false;
    }
    // Before the first fork, for the sake of all; at a graceful restart whoever waits for a worker comes first.
    if (!httpd::is_one_process() && !httpd::is_graceful_restart()) {
        os::gather_in_large_pages();
        is_gathered_ = true;
    }
    if (!httpd::is_one_process() && !crew_.start_scribe()) return false;
    // Later it can't be helped: requests that need one are answered 503.
    if (!httpd::is_graceful_restart() && !crew_.can_have_parsers()) return false;
    const Result result = httpd::make_listeners_memory(listeners_memory_);
    if (!result.ok()) {
        httpd::log(httpd::LogId::table_not_made, step_name(result.step), httpd::error_words(result), result.error);
        return false;
    }
    return crew_.begin_generation(listeners_memory_) && (httpd::is_graceful_restart() || await_ready());
}

void log_parsers() {
    const httpd::Settings &settings = httpd::settings();
    if (!settings.needs_parsers) return;
    const bool is_confined = settings.parser_confinement == httpd::Confinement::name_space;
    httpd::log(is_confined ? httpd::LogId::parsers_confined : httpd::LogId::parsers_unconfined,
               static_cast<unsigned>(settings.parser_uid));
}

// What this kernel has of it is known once the listeners are ready.
void log_listeners(std::span<const ListenerProcess> listeners) {
    std::uint16_t kept = wire::Ready::few_calls | wire::Ready::no_files;
    for (const ListenerProcess &listener : listeners) kept &= listener.kept;
    const bool few_calls = (kept & wire::Ready::few_calls) != 0, no_files = (kept & wire::Ready::no_files) != 0;
    httpd::log(httpd::LogId::listener_protections, few_calls ? "filtered" : "all", no_files ? "hidden" : "seen");
    if (!few_calls) httpd::log(httpd::LogId::listeners_weaker, "make any system call", "seccomp filters");
    if (!no_files) httpd::log(httpd::LogId::listeners_weaker, "open what anybody may read", "Landlock");
}

void log_mailer(const httpd::Settings &settings) {
    if (!settings.started_as_root || !settings.lacks_set_uid_programs) return;
    if (const char *mailer = httpd::find_set_uid_mailer()) httpd::log(httpd::LogId::mailer_set_uid, mailer);
}

Ending Master::run() {
    // At a restart pools without limits are served all the same.
    if ((!crew_.limit_pools() && !httpd::is_graceful_restart()) || !begin()) {
        crew_.end_all();
        crew_.give_back_cgroups();
        return Ending::failed;
    }
    const httpd::Settings &settings = httpd::settings();
    httpd::log(httpd::LogId::protections, httpd::identity_count(), httpd::listener_count(),
               static_cast<unsigned>(settings.listener_uid), static_cast<unsigned>(settings.spare_uid),
               settings.started_as_root ? "every request under its site's own user"
                                        : "not started as root: every site runs as the user who started it");
    if (!os::has_keyrings()) httpd::log(httpd::LogId::no_keyrings);
    if (!httpd::is_graceful_restart()) log_listeners(crew_.listeners());
    if (!httpd::is_graceful_restart()) log_mailer(settings);
    log_parsers();
    crew_.start_spares();
    httpd::note_running();
    for (;;) {
        const httpd::Asked asked = httpd::asked();
        if (asked.stop || asked.restart) return end();
        turn(true);
    }
}

Ending Master::end() {
    const httpd::Asked asked = httpd::asked();
    if (asked.stop && !asked.at_once) return stop_gracefully();
    if (asked.stop) {
        crew_.end_all();
        return stopped();
    }
    httpd::advance_generation();
    if (!asked.at_once) {
        httpd::log(httpd::LogId::restarting_gracefully);
        crew_.dismiss_spares();
        return Ending::restart;
    }
    crew_.end_all();
    // Asked for while the children ended; httpd forgets it when it reads the configuration.
    if (httpd::asked().stop) return stopped();
    httpd::log(httpd::LogId::restarting);
    return Ending::restart;
}

// All have ended.
Ending Master::stopped() {
    crew_.give_back_cgroups();
    httpd::remove_pid_file();
    httpd::log(httpd::LogId::stopping);
    return Ending::stopped;
}

Ending Master::stop_gracefully() {
    httpd::close_listening_sockets();
    crew_.ask_listeners_to_stop();
    crew_.dismiss_spares();
    httpd::remove_pid_file();
    httpd::log(httpd::LogId::stopping_gracefully);
    httpd::take_back_stop();
    const std::int64_t timeout_ms = std::int64_t{httpd::graceful_stop_timeout_s()} * 1000;
    const std::int64_t begun_ms = os::monotonic_ms();
    while (!crew_.is_drained() && !httpd::asked().stop) {
        if (timeout_ms > 0 && os::monotonic_ms() - begun_ms >= timeout_ms) break;
        wait(has_more_to_do_ ? 0 : needy_wait_ms);
        crew_.reap();
        crew_.expire_lookups(os::monotonic_ms());
        has_more_to_do_ = crew_.staff(os::monotonic_ms(), false);
    }
    crew_.end_all();
    crew_.give_back_cgroups();
    return Ending::stopped;
}

// This process takes the same steps as a spare that is ordered.
Result Master::become_self(const plan::Need &need, wire::LowerEnd &channel) {
    const httpd::Settings &settings = httpd::settings();
    const plan::Identity identity = httpd::identity(need.identity);
    Result result = crew_.introduce_self(need, channel);
    if (result.ok()) result = os::start_keyring();
    listeners_memory_ = {}; // not for a site's user
    if (settings.started_as_root) {
        const pid_t parent = getppid();
        const httpd::Privileges privileges = httpd::privileges_of(need.identity);
        std::uint64_t bounding = 0;
        if (result.ok() && privileges.set_uid_programs) result = os::read_bounding_set(bounding);
        if (result.ok()) result = os::become_spare(settings.spare_uid, settings.spare_gid, parent, bounding);
        if (result.ok()) result = os::become_identity({identity.uid, identity.gid, identity.groups}, parent, bounding);
        if (result.ok() && privileges.no_new_privileges) result = os::forbid_new_privileges();
        if (result.ok()) result = limit_own_files(need.identity);
    }
    set_title("worker", identity.name);
    end_on_stop(channel);
    if (result.ok()) result = httpd::begin_serving(Slot{0}, need.identity, identity);
    return result;
}

Ending Master::run_one_process() {
    if (httpd::settings().needs_parsers) {
        httpd::log(httpd::LogId::one_process_cannot_parse);
        return Ending::failed;
    }
    if (!begin()) {
        crew_.end_all();
        return Ending::failed;
    }
    httpd::note_running();
    plan::Need need;
    while (!crew_.first_need(need)) {
        wait(calm_wait_ms);
        crew_.reap();
        if (httpd::asked().stop) {
            crew_.end_all();
            httpd::remove_pid_file();
            return Ending::stopped;
        }
    }
    if (httpd::needed_controllers() != 0) httpd::log(httpd::LogId::one_process_unlimited);
    httpd::log(httpd::LogId::one_process_identity, httpd::identity(need.identity).name);
    wire::LowerEnd channel;
    const Result result = become_self(need, channel);
    if (!result.ok()) {
        httpd::log_failed_step("worker", httpd::identity(need.identity).name, result);
        return Ending::failed;
    }
    run_worker(std::move(channel));
}

} // namespace

Ending run_master() {
    CrewMemory *memory = crew_memory();
    return memory == nullptr ? Ending::failed : Master(*memory).run();
}

Ending run_one_process() {
    CrewMemory *memory = crew_memory();
    return memory == nullptr ? Ending::failed : Master(*memory).run_one_process();
}

} // namespace itk2::role
