// What it is: where this process may have cgroups of its own: below the one it is in, by version 2 where that has the
// controllers, else by version 1. Looks only, changes nothing.
#pragma once

#include "base/pool_limits.h"
#include "base/result.h"

#include <sys/types.h>

#include <array>
#include <cstddef>

namespace itk2::os {

inline constexpr std::size_t controller_count = 3;
inline constexpr std::size_t cgroup_path_room = 512;

using CgroupPath = std::array<char, cgroup_path_room>;

// A controller's name, as the kernel writes it; `place` is its bit's number.
const char *controller_name(std::size_t place);

struct CgroupPlace {
    bool is_unified = false;                          // version 2: one directory for all
    std::array<CgroupPath, controller_count> below{}; // by the controller's place; version 2: all the same
};

// The directories that this process's cgroups may be made in. Step find_cgroup: ENOENT where no mounted hierarchy has
// all these controllers, EROFS or EACCES where it can't be written, ENAMETOOLONG; delegate_cgroup where systemd has not
// said that it leaves the directory to this service.
Result find_cgroup_place(Controllers wanted, CgroupPlace &into);

} // namespace itk2::os
