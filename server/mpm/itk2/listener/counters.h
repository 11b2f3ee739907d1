// What it is: this listener's row of what all of them count: its connections by state, for whoever may see the server's
// status; and how many each virtual host has with workers or in the queue, which is also what MaxClientsVHost limits.
// Each listener writes its own row and reads all of them. Two that let somebody in at the same instant do not see each
// other.
#pragma once

#include "base/ids.h"
#include "os/memfd.h"
#include "plan/counting.h"

#include <atomic>
#include <cstdint>
#include <span>
#include <utility>

namespace itk2::listener {

class Counters {
  public:
    // A new generation: other vhosts, none of them busy here. `memory` has a row for each listener, this one's is `row`.
    void start(std::size_t vhosts, os::SharedMapping memory, std::size_t row) {
        memory_ = std::move(memory);
        vhosts_ = vhosts;
        own_ = memory_.numbers().subspan(row * plan::row_length(vhosts), plan::row_length(vhosts));
        // Whoever had the row before may have died with it.
        for (std::uint32_t &counter : own_) std::atomic_ref(counter).store(0, std::memory_order_relaxed);
    }

    // `most`: 0 is no limit.
    [[nodiscard]] bool has_room(VhostIndex vhost, std::uint32_t most) const {
        if (most == 0 || !is_known(vhost)) return true;
        const std::span<std::uint32_t> all = memory_.numbers();
        std::uint64_t busy = 0;
        for (std::size_t at = plan::place_of_busy(number(vhost)); at < all.size(); at += own_.size())
            busy += count(all[at]);
        return busy < most;
    }
    void enter(VhostIndex vhost) {
        if (is_known(vhost)) add(own_[plan::place_of_busy(number(vhost))]);
    }
    void leave(VhostIndex vhost) {
        if (is_known(vhost)) take(own_[plan::place_of_busy(number(vhost))]);
    }
    // One that has entered waits for a worker; and does so no more.
    void queue(VhostIndex vhost) {
        if (own_.empty()) return;
        add(own_[plan::place_of(plan::Held::queued)]);
        if (is_known(vhost)) add(own_[plan::place_of_queued(number(vhost), vhosts_)]);
    }
    void unqueue(VhostIndex vhost) {
        if (own_.empty()) return;
        take(own_[plan::place_of(plan::Held::queued)]);
        if (is_known(vhost)) take(own_[plan::place_of_queued(number(vhost), vhosts_)]);
    }
    // How many there are, of all and in these states; the others that are not queued are busy.
    void tell(std::uint32_t all, std::uint32_t waiting, std::uint32_t idle, std::uint32_t lingering) {
        if (own_.empty()) return;
        const auto set = [this](plan::Held state, std::uint32_t value) {
            std::atomic_ref(own_[plan::place_of(state)]).store(value, std::memory_order_relaxed);
        };
        set(plan::Held::waiting, waiting);
        set(plan::Held::idle, idle);
        set(plan::Held::lingering, lingering);
        set(plan::Held::busy, all - waiting - idle - lingering - count(own_[plan::place_of(plan::Held::queued)]));
    }

  private:
    [[nodiscard]] bool is_known(VhostIndex vhost) const { return number(vhost) < vhosts_; }
    static std::uint32_t count(std::uint32_t &counter) {
        return std::atomic_ref(counter).load(std::memory_order_relaxed);
    }
    // This process alone writes it.
    static void add(std::uint32_t &counter) {
        std::atomic_ref(counter).store(count(counter) + 1, std::memory_order_relaxed);
    }
    static void take(std::uint32_t &counter) {
        if (count(counter) > 0) std::atomic_ref(counter).store(count(counter) - 1, std::memory_order_relaxed);
    }

    os::SharedMapping memory_;
    std::size_t vhosts_ = 0;
    std::span<std::uint32_t> own_;
};

} // namespace itk2::listener
