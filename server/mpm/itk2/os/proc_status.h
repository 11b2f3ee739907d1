// What it is: what /proc says about a thread's ids, groups and capability sets.
// Trusts: the kernel. Never trusts a line it has not seen: a missing one is a failure.
#pragma once

#include "base/result.h"

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace itk2::os {

struct ProcStatus {
    std::array<uid_t, 4> uids{}; // real, effective, saved, fs
    std::array<gid_t, 4> gids{};
    std::size_t group_count = 0;
    std::size_t known_groups = 0; // how many of them are among those expected
    std::uint64_t inheritable = 0;
    std::uint64_t permitted = 0;
    std::uint64_t effective = 0;
    std::uint64_t bounding = 0;
    std::uint64_t ambient = 0;
};

// Reads a status file, such as /proc/self/status. `expected_groups` is sorted. Step verify_proc: error of open or
// read, or 0 where a line is missing or unreadable. An open file shows ids as the user namespace does in which it was
// opened; it is read from where it stands.
Result read_proc_status(const char *path, std::span<const gid_t> expected_groups, ProcStatus &status);
Result read_proc_status(int file, std::span<const gid_t> expected_groups, ProcStatus &status);

} // namespace itk2::os
