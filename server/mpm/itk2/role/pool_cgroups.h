// What it is: the cgroups of pools that have limits: made when a pool's first worker is ordered, removed when it has
// none any more. Runs as: the master. Its memory outlives reloads of the module: plain data only.
#pragma once

#include "base/ids.h"
#include "base/pool_limits.h"
#include "os/cgroup.h"

#include <sys/types.h>

#include <cstdint>

namespace itk2::role {

class PoolCgroups {
  public:
    // Room for this many identities; keeps what is there. False when memory is short.
    [[nodiscard]] bool reserve(std::uint32_t identities);

    // A generation begins: makes what its limits need, removes what servers that are no more have left, and gives pools
    // that run their new limits. Until it succeeds no pool that has limits gets a process.
    Result begin();
    [[nodiscard]] const os::Cgroups &cgroups() const { return cgroups_; }

    // Before the process becomes a worker of the identity. Nothing where that has no limits.
    Result place(IdentityKey identity, pid_t pid);
    // Whether the kernel has killed somebody of the pool for want of memory since this was asked last.
    [[nodiscard]] bool has_run_out_of_memory(IdentityKey identity);

    // The pool has no worker any more.
    void note_cold(IdentityKey identity);
    // Removes those of cold pools, but those in which something still runs that a worker has started.
    void remove_cold(std::int64_t now_ms);

    // Ends what is left in pools once all workers have ended.
    void end_all();
    // The server stops: nothing of all this is left.
    Result close();

  private:
    struct Pool {
        bool is_made;
        bool is_cold;
        std::uint64_t memory_kills;
        PoolLimits limits;
    };
    void relimit(IdentityKey identity, Pool &pool);

    os::Cgroups cgroups_;
    bool is_open_ = false;  // has what this generation needs
    Pool *pools_ = nullptr; // malloc'ed, as long as the master lives
    std::uint32_t capacity_ = 0;
    std::uint32_t cold_ = 0;
    std::int64_t next_removal_ms_ = 0;
};

} // namespace itk2::role
