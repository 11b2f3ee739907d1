// What it is: deadlines in milliseconds of CLOCK_MONOTONIC, for as many owners as there are, in constant time each.
// Lazy: arming later and disarming only write the new deadline; the old place in the wheel is corrected when it is
// reached. Resolution 4 ms, never early.
#pragma once

#include "listener/list.h"

#include <array>
#include <cstdint>

namespace itk2::listener {

enum class TimerOf : std::uint8_t { connection, worker, pool, sockets };

// Part of its owner, which must forget() it before the memory goes away.
struct Timer : Link {
    explicit Timer(TimerOf owner) : of(owner) {}

    std::uint64_t due = 0; // 0: not armed
    std::uint64_t placed_for = 0;
    TimerOf of;
};

class Timers {
  public:
    explicit Timers(std::uint64_t now);

    void arm(Timer &timer, std::uint64_t due);
    static void disarm(Timer &timer) { timer.due = 0; }
    static void forget(Timer &timer);

    // Calls fire(Timer &) for every timer that is due; the timer is not armed then.
    template <typename Fire> void expire(std::uint64_t now, Fire fire) {
        while (advance(now)) {
            Link reached;
            take_slot(reached);
            while (reached.after != &reached) {
                auto &timer = static_cast<Timer &>(*reached.after);
                timer.unlink();
                if (timer.due == 0) continue;
                if (timer.due > now) {
                    place(timer);
                    continue;
                }
                timer.due = 0;
                fire(timer);
            }
            reached.before = reached.after = nullptr;
        }
    }

    // How long epoll may wait; -1 without limit.
    [[nodiscard]] int wait_ms(std::uint64_t now) const;

  private:
    static constexpr std::uint64_t tick_bits = 2;
    static constexpr std::uint64_t slot_bits = 8;
    static constexpr std::uint64_t slots = 1 << slot_bits;

    struct Wheel {
        std::array<Link, slots> slot;
        std::array<std::uint64_t, slots / 64> used{};

        Wheel();
        void add(Timer &timer, std::uint64_t at);
        // Distance from `from` (exclusive) to the next used slot; 0 if none is used.
        [[nodiscard]] std::uint64_t distance(std::uint64_t from) const;
        void take(std::uint64_t at, Link &into);
    };

    bool advance(std::uint64_t now);
    void take_slot(Link &into) { near_.take(at_, into); }
    void place(Timer &timer);

    Wheel near_; // one tick a slot
    Wheel far_;  // one turn of near_ a slot
    std::uint64_t at_;
};

} // namespace itk2::listener
