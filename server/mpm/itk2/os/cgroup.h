// What it is: cgroups: one directory for this server, in it one for the server's own processes and one for each pool.
// Version 2 or version 1 of the kernel's interface, as cgroup_place.h finds; read back after each write.
// Needs: to be the master, and write permission there, as root has it.
#pragma once

#include "base/pool_limits.h"
#include "base/result.h"
#include "os/cgroup_place.h"

#include <sys/types.h>

#include <array>
#include <cstdint>

namespace itk2::os {

// The server's directory is called so, then the master's pid and when it was started.
inline constexpr char cgroup_prefix[] = "itk2-";
inline constexpr char cgroup_of_the_server[] = "server";

// Plain data: outlives reloads of the module.
struct Cgroups {
    Controllers controllers = 0; // those in use; 0: no cgroup has been made
    CgroupPlace place;
    std::array<char, 48> name{}; // the server's directory
};

// A pool's directory within the server's.
using PoolName = std::array<char, 64>;
// `user`: characters that are no letter, digit, dot, dash or underscore are written as an underscore.
PoolName pool_name(const char *user, std::uint32_t number);

// Makes the server's directory and moves this process, with all it has started, into its "server"; or adds controllers
// to one that is there. Where others are in the place still it waits for them for up to 5 s, in version 2, which wants
// it empty. Steps find_cgroup, delegate_cgroup (EBUSY: somebody else stays there), make_cgroup, enter_cgroup,
// limit_cgroup.
Result open_cgroups(Controllers wanted, Cgroups &cgroups);
// Undoes it: ends whoever is left in a pool, moves this process back, removes all. Step remove_cgroup.
Result close_cgroups(Cgroups &cgroups);
// Those of servers that are no more, with whoever is left in them. Never this server's, nor another one's that lives.
void remove_abandoned_cgroups(const Cgroups &cgroups);

// Makes the pool's directory where it isn't there, and sets every limit of the controllers in use: to "none" where
// `limits` has 0. Steps make_cgroup, limit_cgroup.
Result limit_pool(const Cgroups &cgroups, const PoolName &pool, const PoolLimits &limits);
Result verify_pool_limits(const Cgroups &cgroups, const PoolName &pool, const PoolLimits &limits);

// Moves a process into the pool; what it starts from then on is there too. Step enter_cgroup.
Result enter_pool(const Cgroups &cgroups, const PoolName &pool, pid_t pid);
Result verify_in_pool(const Cgroups &cgroups, const PoolName &pool, pid_t pid);

// How many processes of the pool the kernel has killed for want of memory; 0 where that isn't counted.
std::uint64_t memory_kills(const Cgroups &cgroups, const PoolName &pool);

// Kills whoever is in the pool, and waits until they are gone, for up to 5 s. Step end_cgroup.
Result end_pool(const Cgroups &cgroups, const PoolName &pool);
// Step remove_cgroup: EBUSY where somebody is in it still.
Result remove_pool(const Cgroups &cgroups, const PoolName &pool);

} // namespace itk2::os
