// What it is: see allowance.h.
#include "os/allowance.h"

namespace itk2::os {

Result read_allowance(Allowance &into) {
    for (int resource = 0; resource < RLIM_NLIMITS; resource++)
        if (getrlimit(static_cast<__rlimit_resource_t>(resource), &into.limits[static_cast<std::size_t>(resource)]) !=
            0)
            return failed(Step::verify_allowance);
    errno = 0;
    into.nice = getpriority(PRIO_PROCESS, 0);
    if (into.nice == -1 && errno != 0) return failed(Step::verify_allowance);
    into.policy = sched_getscheduler(0);
    if (into.policy < 0) return failed(Step::verify_allowance);
    CPU_ZERO(&into.processors);
    // EINVAL: more processors than that; then nobody's choice of them is checked.
    if (sched_getaffinity(0, sizeof into.processors, &into.processors) != 0 && errno != EINVAL)
        return failed(Step::verify_allowance);
    return success;
}

Result verify_allowance(const Allowance &expected) {
    Allowance found;
    if (const Result result = read_allowance(found); !result.ok()) return result;
    for (std::size_t resource = 0; resource < found.limits.size(); resource++)
        if (found.limits[resource].rlim_cur != expected.limits[resource].rlim_cur ||
            found.limits[resource].rlim_max != expected.limits[resource].rlim_max)
            return refused(Step::verify_allowance);
    const bool same = found.nice == expected.nice && found.policy == expected.policy &&
                      CPU_EQUAL(&found.processors, &expected.processors);
    return same ? success : refused(Step::verify_allowance);
}

Result limit_files(rlim_t most) {
    const rlimit limit{most, most};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return failed(Step::limit_files);
    return verify_files(most);
}

Result verify_files(rlim_t most) {
    rlimit found{};
    if (getrlimit(RLIMIT_NOFILE, &found) != 0) return failed(Step::limit_files);
    return found.rlim_cur == most && found.rlim_max == most ? success : refused(Step::limit_files);
}

} // namespace itk2::os
