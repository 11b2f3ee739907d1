// What it is: all processes of the instance, as the master starts, orders, introduces, reaps and ends them.
// Runs as: the master. What is decided stands in plan/staffing; this executes it.
#pragma once

#include "base/exit_code.h"
#include "httpd/board.h"
#include "httpd/logs.h"
#include "httpd/table.h"
#include "os/signals.h"
#include "plan/account_cache.h"
#include "plan/evictions.h"
#include "plan/staffing.h"
#include "role/children.h"
#include "role/grant_rules.h"
#include "role/identity_segments.h"
#include "role/listener_process.h"
#include "role/pool_cgroups.h"
#include "role/resolver.h"
#include "role/scribe.h"
#include "wire/messages.h"

#include <poll.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdint>

namespace itk2::role {

inline constexpr std::uint32_t max_listeners = 64;
inline constexpr std::uint32_t max_parsers = 256; // that have no identity yet
inline constexpr std::uint32_t max_resolvers = 8;
inline constexpr std::uint32_t max_watched = max_listeners + max_parsers + max_resolvers;

// Outlives reloads of the module: plain data only. Change the number with the layout.
inline constexpr std::uint32_t crew_layout = 10;
struct CrewMemory {
    bool is_in_use;
    std::uint32_t listener_count;
    std::uint32_t last_worker;
    plan::Evictions evictions;
    ListenerProcess listeners[max_listeners];
    Children children;
    httpd::Board board;
    plan::Staffing staffing;
    PoolCgroups pools;
    plan::Throttle spare_throttle;
    plan::Throttle parser_throttle;
    GrantRules rules[2]; // of this generation and the last one
    Resolver resolvers[max_resolvers];
    Scribe scribe;
    plan::Throttle scribe_throttle;
    bool has_broken_writers;      // the scribe died: what this generation's processes write to it is lost
    plan::AccountCache *accounts; // malloc'ed once a configuration needs parsers
};

// How a child ended, for the log.
struct Words {
    const char *how;
    int number;
};
Words describe(int wait_status);
bool exited_with(int wait_status, ExitCode code);
// What a child's end says about the birth of others.
enum class BirthOf : std::uint8_t { retired, failed, killed, crashed };

// Whose worker it is, for the log.
const char *name_of(const Child &child);

class Crew {
  public:
    explicit Crew(CrewMemory &memory) : memory_(memory) {}

    // Room for what the configuration asks for. False when memory is short.
    [[nodiscard]] bool make_room();

    // Gives what modules share to each identity for its own. Before any child of this generation is forked.
    Result keep_memory_apart();
    // What the kernel needs to keep the limits of pools. False, with the line out, where it can't.
    [[nodiscard]] bool limit_pools();

    // Starts listeners that do not run, tells all of them of this generation. `memory` outlives this object.
    [[nodiscard]] bool begin_generation(httpd::ListenersMemory &memory);
    // Whether every listener serves this generation.
    [[nodiscard]] bool is_ready() const;
    [[nodiscard]] bool all_listeners_run() const;
    [[nodiscard]] std::span<ListenerProcess> listeners() { return {memory_.listeners, memory_.listener_count}; }
    // What the master has to listen to; returns how many. The same span, polled, is for hear().
    [[nodiscard]] std::size_t watch(std::span<pollfd, max_watched> watched);
    // Reads what listeners, parsers and resolvers have said.
    void hear(std::span<const pollfd> watched);
    // Ends lookups that take too long.
    void expire_lookups(std::int64_t now_ms);

    // Whether a parser can be born with the modules that are loaded; tried on one, which ends. True where none is needed.
    [[nodiscard]] bool can_have_parsers();

    // Starts the scribe where there is none and logs need one. False, after a line in the log, where it can't be.
    [[nodiscard]] bool start_scribe();

    // Orders workers for those who need them, then sees to the number of spares. True when there is more to do at once.
    [[nodiscard]] bool staff(std::int64_t now_ms, bool keeps_spares);
    void start_spares();
    void dismiss_spares();
    [[nodiscard]] bool anyone_needs() const { return memory_.staffing.anyone_needs(); }
    // Any one need, for -X.
    [[nodiscard]] bool first_need(plan::Need &need);
    // -X: this process itself is the worker.
    Result introduce_self(const plan::Need &need, wire::LowerEnd &channel);

    // Reaps every child that has ended.
    void reap();
    // Restarts listeners that have ended, each in its time.
    void revive_listeners(std::int64_t now_ms);

    void ask_listeners_to_stop();
    [[nodiscard]] bool is_drained();
    // Ends every process: first with SIGTERM, after a while with SIGKILL; returns when all are gone.
    void end_all();
    // Those of pools that have no process any more.
    void remove_cold_cgroups(std::int64_t now_ms) { memory_.pools.remove_cold(now_ms); }
    // The server stops: no cgroup of it is left.
    void give_back_cgroups();

  private:
    void end_adopted();
    void hear_listener(std::uint32_t place);
    bool start_one_listener(std::uint32_t place);
    bool tell_one_generation(std::uint32_t place);
    void end_listener(std::uint32_t place);
    // One that does not take the message is ended.
    void tell_listener(std::uint32_t place, ByteView message);
    void tell_all_listeners(ByteView message);
    // The one that was told of this child, if it lives.
    void tell_listener_of(const Child &child, ByteView message);
    void obey(std::uint32_t place, ByteView message);
    void note(std::uint32_t place, const wire::Notice &notice);
    void note_started(std::uint32_t place, const wire::Started &message);
    void end_broken_worker(std::uint32_t place, const wire::Broken &message);

    bool copy_rules();
    // Forks a child that lets go of everything that is the master's and then lives as `live` says, which never returns.
    // -1 with errno. No handler of the master's meets a signal that is the child's.
    template <typename Live> pid_t fork_child(Live live) {
        const pid_t master = getpid();
        const os::SignalsBlocked blocked;
        const pid_t pid = fork();
        if (pid == 0) {
            leave_the_masters();
            live(master);
        }
        return pid;
    }
    Child *fork_spare(bool set_uid_programs);
    bool staff_spares(bool set_uid_programs, std::uint32_t &forks);
    Child *any_spare(IdentityKey identity);
    void leave_the_masters();
    bool give_worker(const plan::Need &need);
    bool place(Child &spare, const plan::Need &need);
    bool order(Child &spare, const plan::Need &need, Slot slot);
    Result send_order(Child &spare, wire::Order &message);
    [[nodiscard]] bool sees_all(IdentityKey identity) const;
    void show_nobody(Slot slot);
    bool find_slot(IdentityKey identity, Slot &slot);
    Result open_page(Slot slot, IdentityKey owner, os::Fd &page);
    struct Ends {
        int down;
        int up;
    };
    void introduce(Child &child, const plan::Need &need, Ends channel);
    [[nodiscard]] bool may_have_more(IdentityKey identity) const;
    [[nodiscard]] bool is_full() const;
    void ask_for_eviction(IdentityKey for_identity, std::uint8_t code = 0); // of wire::Evict

    bool staff_parsers(std::int64_t now_ms, std::uint32_t &forks);
    bool give_parser(std::uint32_t place);
    Result fork_parser(Child &child, Slot slot, wire::UpperEnd &channel, wire::UpperEnd &link);

    void hear_parser(Child &parser);
    void answer(Child &parser, std::int64_t now_ms);
    void answer_waiting(std::int64_t now_ms);
    void grant(Child &parser, const plan::Identity &identity);
    void grant_known(Child &parser, const plan::KnownAccount &known, const plan::GrantRule &rule);
    void tell_identified(const Child &parser, IdentityKey key);
    void refuse(Child &parser, wire::Verdict verdict, const char *why);
    void refuse_all(uid_t uid, gid_t gid, const char *why);
    void end_parser(Child &parser);
    [[nodiscard]] bool has_scribe(std::int64_t now_ms);
    void note_scribe_ended(int wait_status);
    void end_scribe();
    Result make_writer(int log, os::Fd &writing);
    template <typename Message>
    Result give_logs(int down, bool (*gets)(const httpd::Log &, IdentityKey), IdentityKey identity, std::uint16_t last);
    Result give_spare_logs(int down, IdentityKey identity);
    Result give_parser_logs(int down);
    Result give_granted_logs(const Child &parser, IdentityKey identity);

    static bool is_waiting_for(const Child &child, uid_t uid, gid_t gid);
    const GrantRules *rules_of(const Child &parser) const;
    void look_up(uid_t uid, gid_t gid, std::int64_t now_ms);
    void hear_resolver(Resolver &resolver);
    void remember(const Resolver &resolver, const wire::Found &found, std::int64_t now_ms);

    void note_ended(pid_t pid, int wait_status);
    void note_listener_ended(std::uint32_t place, int wait_status);
    void note_spare_ended(Child &spare, int wait_status);
    void note_pool_member_ended(IdentityKey identity);
    void note_memory_left(const Child &ended, int wait_status);
    bool note_memory_limit(const Child &worker, int wait_status);
    void note_worker_ended(Child &worker, int wait_status);
    void note_resolver_ended(Resolver &resolver);
    void judge_births(const Child &worker, int wait_status, BirthOf birth, std::int64_t now_ms);
    void note_parsers_are_born();
    void note_parser_ended(const Child &parser, int wait_status, BirthOf birth);
    void signal_all(int number);
    void await_ends();
    [[nodiscard]] std::uint32_t count_left();

    // So that an order never waits long for forks.
    static constexpr std::uint32_t forks_at_once = 2;

    CrewMemory &memory_;
    IdentitySegments segments_;
    Child *watched_parsers_[max_parsers] = {}; // in their order among the watched
    std::uint32_t watched_parser_count_ = 0;
    httpd::ListenersMemory *listeners_memory_ = nullptr;
    bool ending_ = false; // deaths are what is wanted
};

} // namespace itk2::role
