// What it is: what a process may use of the machine: resource limits, nice value, scheduling policy, processors. Any
// process of the same account can take from it; what was taken is missed here.
#pragma once

#include "base/result.h"

#include <sched.h>
#include <sys/resource.h>

#include <array>

namespace itk2::os {

struct Allowance {
    std::array<rlimit, RLIM_NLIMITS> limits;
    int nice;
    int policy;
    cpu_set_t processors; // the first CPU_SETSIZE of them
};

// This process's. Step verify_allowance, with errno.
Result read_allowance(Allowance &into);

// That this process has that allowance still, no more and no less. Step verify_allowance: error 0 where it has not.
// After this only who may change this process's limits then can do so: change ids first.
Result verify_allowance(const Allowance &expected);

// How many descriptors this process may have open, and can never have more of again without CAP_SYS_RESOURCE. At most
// its hard limit. Step limit_files.
Result limit_files(rlim_t most);
Result verify_files(rlim_t most);

} // namespace itk2::os
