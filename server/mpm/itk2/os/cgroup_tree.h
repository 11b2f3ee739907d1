// What it is: directories of the server's cgroup, in every hierarchy in use: making, entering, emptying, removing them.
#pragma once

#include "os/cgroup.h"

namespace itk2::os {

// One directory of a version 1 hierarchy for each controller in use; one for all in version 2.
[[nodiscard]] inline bool is_hierarchy(const Cgroups &cgroups, std::size_t place) {
    const unsigned used = cgroups.controllers;
    return cgroups.place.is_unified ? used != 0 && place == 0 : (used >> place & 1) != 0;
}

// The path of a file in the server's directory `inner`, in the hierarchy of the controller with this place; null: of the
// directory itself. Step make_cgroup, ENAMETOOLONG.
Result cgroup_file(const Cgroups &cgroups, std::size_t place, const char *inner, const char *file, CgroupPath &path);

// Makes the directory where it isn't there. Step make_cgroup.
Result make_cgroup(const Cgroups &cgroups, const char *inner);
// Step enter_cgroup.
Result enter_cgroup(const Cgroups &cgroups, const char *inner, pid_t pid);
Result verify_in_cgroup(const Cgroups &cgroups, const char *inner, pid_t pid);
// Kills whoever is in it, and waits until they are gone, for up to 5 s. Step end_cgroup: EBUSY where they are not.
Result end_members(const char *directory);
// Step remove_cgroup. One that isn't there is removed.
Result remove_directory(const char *directory);

} // namespace itk2::os
