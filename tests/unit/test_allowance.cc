// Claims about os/allowance: what another process of the account has taken from a process is missed.
#include "in_child.h"

#include "os/allowance.h"

using namespace itk2;
using namespace itk2::os;

namespace {

// What an accomplice of the same account does to a process. Lowers, never raises: that needs privilege.
using Theft = bool (*)(pid_t victim);

bool nothing(pid_t) { return true; }

bool take_descriptors(pid_t victim) {
    const rlimit lower{16, 16};
    return prlimit(victim, RLIMIT_NOFILE, &lower, nullptr) == 0;
}

bool take_the_soft_limit_only(pid_t victim) {
    rlimit limit{};
    if (prlimit(victim, RLIMIT_CORE, nullptr, &limit) != 0) return false;
    limit.rlim_cur = limit.rlim_cur == 0 ? 1 : 0;
    return limit.rlim_cur <= limit.rlim_max && prlimit(victim, RLIMIT_CORE, &limit, nullptr) == 0;
}

bool make_nice(pid_t victim) { return setpriority(PRIO_PROCESS, static_cast<id_t>(victim), 19) == 0; }

bool make_idle(pid_t victim) {
    const sched_param none{};
    return sched_setscheduler(victim, SCHED_IDLE, &none) == 0;
}

bool pin(pid_t victim) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    return sched_setaffinity(victim, sizeof one, &one) == 0;
}

void expect_after(Theft theft, Step expected) {
    NEEDS_ROOT();
    holds_in_child([theft, expected] {
        constexpr id_t anybody = 65533;
        constexpr rlimit some{1 << 10, 1 << 10};
        claim(setrlimit(RLIMIT_CORE, &some) == 0);
        Allowance before;
        claim_ok(read_allowance(before));
        claim(setresgid(anybody, anybody, anybody) == 0 && setresuid(anybody, anybody, anybody) == 0);
        const pid_t victim = getpid();
        const pid_t accomplice = fork();
        if (accomplice == 0) _exit(theft(victim) ? 0 : 1);
        int status = 0;
        claim(waitpid(accomplice, &status, 0) == accomplice && WIFEXITED(status) && WEXITSTATUS(status) == 0,
              "the accomplice could not do it");
        claim_step(verify_allowance(before), expected);
    });
}

void an_allowance_that_nobody_touched_is_whole(void **) { expect_after(nothing, Step::none); }
void a_lowered_limit_is_missed(void **) { expect_after(take_descriptors, Step::verify_allowance); }
void a_lowered_soft_limit_is_missed(void **) { expect_after(take_the_soft_limit_only, Step::verify_allowance); }
void a_nicer_process_is_noticed(void **) { expect_after(make_nice, Step::verify_allowance); }
void another_scheduling_policy_is_noticed(void **) { expect_after(make_idle, Step::verify_allowance); }

void processors_taken_away_are_missed(void **) {
    cpu_set_t here;
    CPU_ZERO(&here);
    assert_int_equal(sched_getaffinity(0, sizeof here, &here), 0);
    const bool has_others = CPU_COUNT(&here) > 1;
    expect_after(pin, has_others ? Step::verify_allowance : Step::none);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(an_allowance_that_nobody_touched_is_whole),
        cmocka_unit_test(a_lowered_limit_is_missed),
        cmocka_unit_test(a_lowered_soft_limit_is_missed),
        cmocka_unit_test(a_nicer_process_is_noticed),
        cmocka_unit_test(another_scheduling_policy_is_noticed),
        cmocka_unit_test(processors_taken_away_are_missed),
    };
    return cmocka_run_group_tests_name("allowance", tests, nullptr, nullptr);
}
