// What it is: all processes of the instance, as the master starts, orders, introduces, reaps and ends them.
// Runs as: the master. What is decided stands in plan/staffing; this executes it.
#pragma once

#include "plan/staffing.h"
#include "role/children.h"
#include "role/listener_process.h"
#include "wire/messages.h"

#include <sys/types.h>

#include <cstdint>

namespace itk2::role {

inline constexpr std::uint32_t max_listeners = 64;

// Outlives reloads of the module: plain data only. Change the number with the layout.
inline constexpr std::uint32_t crew_layout = 1;
struct CrewMemory {
    bool is_in_use;
    std::uint32_t listener_count;
    std::uint32_t last_worker;
    std::uint32_t evictions; // asked for, not yet seen
    std::int64_t eviction_asked_ms;
    ListenerProcess listeners[max_listeners];
    Children children;
    plan::Staffing staffing;
    plan::Throttle spare_throttle;
};

class Crew {
  public:
    explicit Crew(CrewMemory &memory) : memory_(memory) {}

    // Room for what the configuration asks for. False when memory is short.
    [[nodiscard]] bool make_room();

    // Starts listeners that do not run, tells all of them of this generation. `counters`: -1 is none.
    [[nodiscard]] bool begin_generation(int table, int counters);
    // Whether every listener serves this generation.
    [[nodiscard]] bool is_ready() const;
    [[nodiscard]] bool all_listeners_run() const;
    [[nodiscard]] std::span<ListenerProcess> listeners() { return {memory_.listeners, memory_.listener_count}; }
    // Reads what a listener has said.
    void hear(std::uint32_t place);

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

  private:
    bool start_one_listener(std::uint32_t place);
    bool tell_one_generation(std::uint32_t place);
    void end_listener(ListenerProcess &listener);
    void obey(std::uint32_t place, ByteView message);
    void note(const wire::Notice &notice);
    void end_broken_worker(std::uint32_t place, const wire::Broken &message);

    Child *fork_spare();
    Child *any_spare();
    [[noreturn]] void live_as_spare(wire::LowerEnd channel, pid_t master);
    bool give_worker(const plan::Need &need);
    bool order(Child &spare, const plan::Need &need, Slot slot);
    void introduce(Child &child, const plan::Need &need);
    bool has_room_for(IdentityKey identity) const;
    void ask_for_eviction(const plan::Need &need, std::int64_t now_ms);

    void note_ended(pid_t pid, int wait_status);
    void note_listener_ended(std::uint32_t place, int wait_status);
    void note_spare_ended(Child &spare, int wait_status);
    void note_worker_ended(Child &worker, int wait_status);
    void signal_all(int number);
    [[nodiscard]] bool is_empty() const;

    CrewMemory &memory_;
    int table_ = -1;
    int counters_ = -1;
    bool ending_ = false; // deaths are what is wanted
};

} // namespace itk2::role
