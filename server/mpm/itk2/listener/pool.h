// What it is: the workers of one identity, and the connections that wait for one of them. The pool of no_identity is the
// parsers': each of them takes one connection. One that has been granted an identity belongs to that pool with what it
// holds, and is of no use to others there: it is in none of the lists of idle ones, and is not counted.
// Pure bookkeeping: no system call.
#pragma once

#include "listener/connection.h"
#include "listener/worker.h"

#include <algorithm>
#include <array>
#include <deque>

namespace itk2::listener {

struct InUnsent : Link {};

struct Pool : InUnsent, Timer {
    explicit Pool(IdentityKey key) : Timer(TimerOf::pool), identity(key) {}

    // Idle workers by how many parked connections each has; the most recently used one first.
    static constexpr std::size_t parked_classes = 8;

    IdentityKey identity;
    List<Connection, InState> queue;
    std::array<List<Worker, InPool>, parked_classes> idle;
    List<Worker, InPool> unhurried; // busy ones that may be waiting for their client's next request

    std::uint32_t given = 0;      // workers the master has ever sent
    std::uint32_t asked = 0;      // workers wanted beyond those
    std::uint32_t sent_total = 0; // as told to the master last
    std::uint64_t asked_since = 0;
    std::uint64_t grown_at = 0; // when it was asked for more than the first few
    std::uint32_t rate_when_grown = 0;
    std::uint32_t workers = 0; // that take connections, and have not been told to finish
    std::uint32_t served = 0;  // connections that came back from workers since looked_at
    std::uint64_t looked_at = 0;
    std::uint32_t longest = 0;             // the queue at its longest since then
    std::uint64_t presumed_full_until = 0; // the master did not answer a want: don't wait for it

    [[nodiscard]] bool is_of_parsers() const { return identity == no_identity; }
    static std::size_t parked_class(const Worker &worker) {
        return std::min<std::size_t>(worker.parked, parked_classes - 1);
    }
    // An idle worker: the most recently used one without parked connections; with `any`, else one with few of them.
    Worker *choose(bool any) {
        for (std::size_t i = 0; i < (any ? parked_classes : 1); i++)
            if (Worker *worker = idle[i].first()) return worker;
        return nullptr;
    }
    [[nodiscard]] bool has_idle() const {
        return std::any_of(idle.begin(), idle.end(), [](const auto &list) { return !list.empty(); });
    }
};

class Pools {
  public:
    // Identities are numbered densely; a number beyond this is no identity.
    static constexpr std::uint32_t most = 1 << 20;
    static constexpr bool may_be(IdentityKey key) { return key == no_identity || number(key) < most; }

    // Only for a key that may_be(). The pool lives as long as the process.
    Pool &of(IdentityKey key) {
        if (key == no_identity) return undecided_;
        while (pools_.size() <= number(key))
            pools_.emplace_back(IdentityKey{static_cast<std::uint32_t>(pools_.size())});
        return pools_[number(key)];
    }
    // Workers of all pools that are to come.
    [[nodiscard]] std::uint32_t asked() const { return asked_; }
    void ask(Pool &pool, std::uint32_t wanted) {
        asked_ += wanted - pool.asked;
        pool.asked = wanted;
    }
    // The master counts the same, whether the worker lives or not: what it owes is the difference.
    void count_given(Pool &pool) {
        pool.given++;
        if (pool.asked > 0) ask(pool, pool.asked - 1);
    }
    template <typename Visit> void for_each(Visit visit) {
        visit(undecided_);
        for (Pool &pool : pools_) visit(pool);
    }

    List<Pool, InUnsent> unsent; // what they want has changed since the master was told

  private:
    std::deque<Pool> pools_;
    Pool undecided_{no_identity}; // parsers
    std::uint32_t asked_ = 0;
};

} // namespace itk2::listener
