// What it is: one worker or parser as the listener sees it: its channel and what it has been given.
// Distrusts: everything it reports.
#pragma once

#include "base/ids.h"
#include "listener/connection.h"
#include "wire/channel.h"

#include <memory>
#include <vector>

namespace itk2::listener {

enum class WorkerState : std::uint8_t {
    idle,
    busy,      // has an un-acknowledged connection
    resting,   // its channel took nothing more: tried again soon
    finishing, // has been told to finish
    lost,      // its channel is gone; the master will say what became of it
};

struct InPool : Link {};
struct InIdle : Link {};

struct Worker : InPool, InIdle, Timer {
    Worker() : Timer(TimerOf::worker) {}

    Slot slot{};
    WorkerId id{};
    Generation generation{};
    Pool *pool = nullptr;
    wire::UpperEnd channel;
    wire::UpReader reports;
    WorkerState state = WorkerState::idle;
    bool serving = false;        // has said so
    bool last = false;           // wants nothing more
    bool was_parser = false;     // and is an identity's now: takes nothing beyond what it holds
    bool used = false;           // has been given a connection
    std::uint8_t idle_class = 0; // which of its pool's idle lists it is in

    Connection *given = nullptr;    // un-acknowledged
    Connection *resumed = nullptr;  // was parked in it, and has a request
    std::uint32_t parked = 0;       // parked and sending ones
    List<Connection, InState> held; // given, resumed, parked, sending and tended ones
};

class Workers {
  public:
    static constexpr std::uint32_t most = 1 << 20;

    // nullptr where the slot is out of range.
    Worker *add(Slot slot);
    // The worker in this slot, or nullptr.
    Worker *find(Slot slot) { return number(slot) < by_slot_.size() ? by_slot_[number(slot)].get() : nullptr; }
    // It is lost, in no list, and no timer is armed.
    void remove(const Worker &worker) { by_slot_[number(worker.slot)].reset(); }

    // Workers whose channel is open.
    [[nodiscard]] std::uint32_t count() const { return count_; }
    void channel_closed() { count_--; }
    template <typename Visit> void for_each(Visit visit) {
        for (const auto &worker : by_slot_)
            if (worker) visit(*worker);
    }

    List<Worker, InIdle> idle; // of all pools; the first one has been idle longest

  private:
    std::vector<std::unique_ptr<Worker>> by_slot_;
    std::uint32_t count_ = 0;
};

} // namespace itk2::listener
