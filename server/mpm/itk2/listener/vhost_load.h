// What it is: how many connections each virtual host has with workers or in the queue: what MaxClientsVHost limits.
// Several listeners share their counters: each writes its own row and reads all of them. Two that let somebody in at the
// same instant do not see each other.
#pragma once

#include "base/ids.h"
#include "os/memfd.h"

#include <atomic>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace itk2::listener {

class VhostLoad {
  public:
    // A new generation: other vhosts, none of them busy here. `shared` has a row for each listener, this one's is
    // `row`; without it the listener is the only one.
    void start(std::size_t vhosts, os::SharedMapping shared = {}, std::size_t row = 0) {
        shared_ = std::move(shared);
        const bool is_alone = shared_.numbers().empty();
        alone_.assign(is_alone ? vhosts : 0, 0);
        all_ = is_alone ? std::span(alone_) : shared_.numbers();
        own_ = all_.subspan(is_alone ? 0 : row * vhosts, vhosts);
        // Whoever had the row before may have died with it.
        for (std::uint32_t &counter : own_) std::atomic_ref(counter).store(0, std::memory_order_relaxed);
    }

    // `most`: 0 is no limit.
    [[nodiscard]] bool has_room(VhostIndex vhost, std::uint32_t most) const {
        if (most == 0 || number(vhost) >= own_.size()) return true;
        std::uint64_t busy = 0;
        for (std::size_t at = number(vhost); at < all_.size(); at += own_.size()) busy += count(all_[at]);
        return busy < most;
    }
    void enter(VhostIndex vhost) {
        if (number(vhost) < own_.size()) std::atomic_ref(own_[number(vhost)]).fetch_add(1, std::memory_order_relaxed);
    }
    void leave(VhostIndex vhost) {
        if (number(vhost) < own_.size() && count(own_[number(vhost)]) > 0)
            std::atomic_ref(own_[number(vhost)]).fetch_sub(1, std::memory_order_relaxed);
    }

  private:
    static std::uint32_t count(std::uint32_t &counter) {
        return std::atomic_ref(counter).load(std::memory_order_relaxed);
    }

    std::vector<std::uint32_t> alone_;
    os::SharedMapping shared_;
    std::span<std::uint32_t> all_; // of either
    std::span<std::uint32_t> own_; // in all_
};

} // namespace itk2::listener
