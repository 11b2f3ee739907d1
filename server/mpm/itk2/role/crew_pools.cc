// What it is: pools at their limits, as far as the master has to do with them; pool_cgroups.h has their cgroups.
// Runs as: the master.
#include "role/crew.h"

#include "httpd/log.h"
#include "httpd/settings.h"
#include "os/clock.h"
#include "os/process.h"

#include <sys/wait.h>

#include <csignal>

namespace itk2::role {

bool Crew::limit_pools() {
    const Result result = memory_.pools.begin();
    if (!result.ok()) {
        httpd::log(httpd::LogId::pools_not_limited, step_name(result.step), httpd::error_words(result), result.error);
        return false;
    }
    if (const os::Cgroups &cgroups = memory_.pools.cgroups(); cgroups.controllers != 0) {
        const auto word = [&](Controllers controller, const char *text) {
            return (cgroups.controllers & controller) != 0 ? text : "";
        };
        const auto *below = &cgroups.place.below[0];
        while (below->front() == '\0') below++; // some controller is in use
        httpd::log(httpd::LogId::pools_limited, word(memory_controller, " memory"), word(cpu_controller, " processors"),
                   word(pids_controller, " processes"), cgroups.place.is_unified ? 2 : 1, below->data());
    }
    return true;
}

void Crew::give_back_cgroups() {
    const Result result = memory_.pools.close();
    if (!result.ok())
        httpd::log(httpd::LogId::cgroups_not_removed, step_name(result.step), httpd::error_words(result), result.error);
}

// In its pool's cgroup before it is anybody there.
bool Crew::place(Child &spare, const plan::Need &need) {
    const Result result = memory_.pools.place(need.identity, spare.pid);
    if (result.ok()) return true;
    httpd::log(httpd::LogId::worker_not_ordered, httpd::identity(need.identity).name, step_name(result.step),
               httpd::error_words(result), result.error);
    memory_.staffing.throttle(need.identity)->birth_failed(os::monotonic_ms());
    os::signal_child(spare.pid, SIGKILL);
    spare.dismissed = true;
    return false;
}

void Crew::note_pool_member_ended(IdentityKey identity) {
    for (const Child &child : memory_.children.all())
        if (child.stage == Stage::worker && child.identity == identity) return;
    memory_.pools.note_cold(identity);
}

// Whether the kernel ended it because its pool has taken all the memory it may; the line is out then.
bool Crew::note_memory_limit(const Child &worker, int wait_status) {
    if (!WIFSIGNALED(wait_status) || WTERMSIG(wait_status) != SIGKILL) return false;
    if (!memory_.pools.has_run_out_of_memory(worker.identity)) return false;
    constexpr std::uint64_t mebi = 1ULL << 20;
    httpd::log(httpd::LogId::pool_at_memory_limit, name_of(worker),
               static_cast<unsigned>(httpd::pool_limits(worker.identity)[Limit::memory] / mebi),
               static_cast<int>(worker.pid));
    return true;
}

} // namespace itk2::role
