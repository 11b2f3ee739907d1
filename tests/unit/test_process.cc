// Claims about os/process: what a process is to its parent, its session, and whoever looks at it.
#include "failing_calls.h"
#include "in_child.h"

#include "os/process.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <thread>

using namespace itk2;
using namespace itk2::os;

namespace {

std::string contents(const std::string &path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

// Whether a grandchild of this process, armed or not, ends with its parent. It holds a pipe's only sending end.
bool grandchild_ends_with_its_parent(bool armed) {
    std::array<int, 2> pipe_ends{};
    assert_int_equal(pipe(pipe_ends.data()), 0);
    const int status = status_of_child([&] {
        const pid_t parent = getpid();
        const pid_t grandchild = fork();
        if (grandchild == 0) {
            if (armed) claim_ok(arm_parent_death(parent));
            const pid_t self = getpid();
            claim(write(pipe_ends[1], &self, sizeof self) == sizeof self);
            for (;;) pause();
        }
        // It has armed when it tells its number.
        pollfd told{pipe_ends[0], POLLIN, 0};
        claim(poll(&told, 1, 5000) == 1);
    });
    assert_int_equal(status, 0);
    close(pipe_ends[1]);
    pid_t grandchild = 0;
    assert_int_equal(read(pipe_ends[0], &grandchild, sizeof grandchild), sizeof grandchild);
    pollfd end{pipe_ends[0], POLLIN, 0};
    const bool ended = poll(&end, 1, armed ? 5000 : 200) == 1;
    if (!ended) kill(grandchild, SIGKILL);
    close(pipe_ends[0]);
    return ended;
}

void an_armed_child_dies_with_its_parent(void **) {
    assert_true(grandchild_ends_with_its_parent(true));
    assert_false(grandchild_ends_with_its_parent(false)); // the control
}

void arming_fails_where_the_parent_is_another(void **) {
    holds_in_child([] {
        claim_step(arm_parent_death(getppid() + 1), Step::parent_gone);
        claim_ok(arm_parent_death(getppid()));
        claim_ok(verify_parent_death(getppid()));
        claim(prctl(PR_SET_PDEATHSIG, 0) == 0);
        claim_step(verify_parent_death(getppid()), Step::parent_death_signal);
    });
}

void a_session_is_its_leaders_own(void **) {
    holds_in_child([] {
        claim_step(verify_session(), Step::new_session); // the control
        claim_ok(start_session());
        claim(getsid(0) == getpid() && getpgrp() == getpid());
        const Result again = start_session();
        claim(again.step == Step::new_session && again.error == EPERM);
    });
}

void a_session_has_its_own_keyring(void **) {
    holds_in_child([] {
        if (!has_keyrings()) return;
        claim(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) > 0);
        const long inherited = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
        claim(inherited > 0);
        claim_step(verify_keyring(inherited), Step::new_keyring); // the control
        claim(syscall(SYS_add_key, "user", "itk2-unit", "word", 4, KEY_SPEC_SESSION_KEYRING) > 0);
        claim(syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "itk2-unit", 0) > 0);
        claim_ok(start_session());
        claim_ok(verify_keyring(inherited));
        claim(syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "itk2-unit", 0) < 0);
    });
}

void a_keyring_that_can_not_be_left_is_a_failure_unless_nobody_can_read_keys(void **) {
    NEEDS_ROOT();
    for (const int error : {EDQUOT, ENOMEM, EACCES}) {
        holds_in_child([error] {
            claim(make_fail({SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, error}));
            const Result result = start_session();
            claim(result.step == Step::new_keyring && result.error == error);
        });
    }
    holds_in_child([] { // one that says it did
        claim(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) > 0);
        claim(make_fail({SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0}));
        claim_step(start_session(), Step::new_keyring);
    });
    for (const int error : {EPERM, ENOSYS}) {
        holds_in_child([error] { // only this call of them: keys can be read then
            claim(make_fail({SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, error}));
            const Result result = start_session();
            claim(result.step == Step::new_keyring && result.error == error);
        });
        holds_in_child([error] {
            claim(make_fail({SYS_keyctl, any_argument, error}));
            claim(!has_keyrings());
            claim_ok(start_session());
        });
    }
}

void forbidden_dumps_are_verified(void **) {
    holds_in_child([] {
        claim(prctl(PR_SET_DUMPABLE, 1) == 0);
        claim_step(verify_no_dumps(), Step::set_dumpable);
        claim_ok(forbid_dumps());
        claim(prctl(PR_GET_DUMPABLE) == 0);
    });
}

void a_second_thread_is_seen(void **) {
    holds_in_child([] {
        claim_ok(verify_one_thread());
        std::thread([] {
            for (;;) pause();
        }).detach();
        const Result two = verify_one_thread();
        claim(two.step == Step::one_thread && two.error == 0);
    });
}

void without_proc_nothing_is_taken_for_granted(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        claim(make_fail({SYS_openat, any_argument, ENOENT}));
        const Result result = verify_one_thread();
        claim(result.step == Step::verify_proc && result.error == ENOENT);
    });
}

// A child of another uid that waits until the pipe's other end is closed.
pid_t start_waiting_child(const std::array<int, 2> &pipe_ends, bool leads_a_session) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0) return child;
    close(pipe_ends[1]);
    if (leads_a_session) claim_ok(start_session());
    claim(setresuid(64903, 64903, 64903) == 0);
    // Says that it is there by stopping; goes on when the test lets it.
    raise(SIGSTOP);
    char byte = 0;
    claim(read(pipe_ends[0], &byte, 1) == 0);
    _exit(0);
}

struct WaitingChild {
    explicit WaitingChild(bool leads_a_session) {
        assert_int_equal(pipe(pipe_ends.data()), 0);
        pid = start_waiting_child(pipe_ends, leads_a_session);
        int status = 0;
        assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
        assert_true(WIFSTOPPED(status));
        kill(pid, SIGCONT);
        autogroup = "/proc/" + std::to_string(pid) + "/autogroup";
    }
    void end() {
        close(pipe_ends[1]);
        int status = 1;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        close(pipe_ends[0]);
        assert_int_equal(status, 0);
    }
    std::array<int, 2> pipe_ends{};
    pid_t pid = 0;
    std::string autogroup;
};

void root_sets_the_nice_value_of_its_child(void **) {
    NEEDS_ROOT();
    WaitingChild child(true);
    for (const int nice : {0, 5, 19, -20, -1, -3}) {
        assert_true(set_nice(child.pid, nice).ok());
        assert_int_equal(getpriority(PRIO_PROCESS, static_cast<id_t>(child.pid)), nice);
        assert_int_equal(verify_nice(child.pid, nice + 1).step, Step::set_priority);
    }
    const std::string group = contents(child.autogroup);
    assert_true(group.empty() || group.ends_with(" nice -3\n"));
    child.end();
}

void a_session_of_others_keeps_its_nice_value(void **) {
    NEEDS_ROOT();
    WaitingChild child(false);
    const std::string before = contents(child.autogroup);
    assert_true(set_nice(child.pid, 7).ok());
    assert_int_equal(getpriority(PRIO_PROCESS, static_cast<id_t>(child.pid)), 7);
    assert_string_equal(contents(child.autogroup).c_str(), before.c_str());
    child.end();
}

void without_privilege_nobody_becomes_less_nice(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        claim(setresuid(64903, 64903, 64903) == 0);
        const int before = getpriority(PRIO_PROCESS, 0);
        claim_ok(set_nice(0, before < 15 ? before + 4 : 19));
        const Result result = set_nice(0, -4);
        claim(result.step == Step::set_priority && (result.error == EACCES || result.error == EPERM));
    });
}

// A child that waits to be signalled, and has no other way to end.
pid_t start_idle_child() {
    const pid_t parent = getpid();
    const pid_t child = fork();
    claim(child >= 0, "fork");
    if (child > 0) return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL); // where the test leaves it behind
    while (getppid() == parent) pause();
    _exit(0);
}

void claim_ended_by(pid_t child, int number, Place where = Place::here()) {
    int status = 0;
    claim(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == number, "", where);
}

void a_child_is_signalled_through_a_descriptor(void **) {
    NEEDS_ROOT();
    for (const int number : {SIGTERM, SIGKILL}) {
        holds_in_child([number] {
            const pid_t child = start_idle_child();
            claim(make_fail({SYS_kill, child, EPERM}));
            claim(kill(child, number) != 0 && errno == EPERM); // the control
            claim(signal_child(child, number));
            claim_ended_by(child, number);
        });
    }
}

void a_process_that_was_reaped_gets_no_signal(void **) {
    holds_in_child([] {
        const pid_t child = start_idle_child();
        claim(signal_child(child, 0)); // the control
        claim(signal_child(child, SIGKILL));
        siginfo_t seen{};
        claim(waitid(P_PID, static_cast<id_t>(child), &seen, WEXITED | WNOWAIT) == 0);
        claim(signal_child(child, SIGKILL)); // dead and not reaped: nobody else can have its number
        claim(waitpid(child, nullptr, 0) == child);
        claim(!signal_child(child, SIGKILL) && errno == ESRCH);
    });
}

void a_process_of_others_gets_no_signal(void **) {
    holds_in_child([] {
        const pid_t child = start_idle_child();
        holds_in_child([child] {
            claim(kill(child, 0) == 0); // the control: it may
            claim(!signal_child(child, SIGKILL) && errno == ECHILD);
        });
        claim(signal_child(child, SIGTERM));
        claim_ended_by(child, SIGTERM);
    });
}

void a_child_is_signalled_where_there_are_no_descriptors_of_processes(void **) {
    NEEDS_ROOT();
    for (const long call : {SYS_pidfd_open, SYS_pidfd_send_signal}) {
        for (const int error : {ENOSYS, EPERM, EMFILE}) { // the kernel, a container's filter, the limit
            holds_in_child([call, error] {
                const pid_t child = start_idle_child();
                claim(make_fail({call, any_argument, error}));
                claim(signal_child(child, SIGTERM));
                claim_ended_by(child, SIGTERM);
                claim(!signal_child(child, SIGTERM)); // reaped
                claim(!signal_child(getppid(), 0) && errno == ECHILD);
            });
        }
    }
}

void a_signal_that_can_not_be_sent_is_told(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        const pid_t child = start_idle_child();
        claim(make_fail({SYS_pidfd_open, any_argument, ENOSYS}));
        claim(make_fail({SYS_kill, child, EPERM}));
        claim(!signal_child(child, SIGKILL) && errno == EPERM);
    });
    holds_in_child([] { // whose child it is can't be told
        const pid_t child = start_idle_child();
        claim(make_fail({SYS_waitid, any_argument, ENOSYS}));
        claim(!signal_child(child, SIGTERM) && errno == ENOSYS);
    });
}

void a_title_shows_in_ps_and_leaves_the_arguments_alone(void **) {
    holds_in_child([] {
        const std::string before = contents("/proc/self/cmdline");
        const char *const path = getenv("PATH");
        const std::string path_before = path == nullptr ? "" : path;
        Title title;
        title.set("worker", "nobody"); // before it is claimed: nothing
        claim(contents("/proc/self/cmdline") == before);
        claim_ok(title.claim());
        claim(contents("/proc/self/cmdline") == std::string("itk2\0", 5), contents("/proc/self/cmdline"));
        title.set("worker", "a-rather-long-user-name");
        claim(contents("/proc/self/cmdline") == std::string("itk2: worker a-rather-long-user-name\0", 37));
        title.set("spare");
        claim(contents("/proc/self/cmdline") == std::string("itk2: spare\0", 12));
        claim(std::string(program_invocation_name) == before.c_str());
        claim(path == getenv("PATH") && path_before == (path == nullptr ? "" : path));
        claim(contents("/proc/self/environ").find("itk2: ") == std::string::npos);
    });
}

void a_title_too_long_is_cut(void **) {
    holds_in_child([] {
        Title title;
        claim_ok(title.claim());
        title.set("worker", std::string(1000, 'x').c_str());
        const std::string shown = contents("/proc/self/cmdline");
        claim(shown.starts_with("itk2: worker xxx") && shown.size() < 140, shown);
    });
}

void a_title_is_changed_without_privilege(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        Title title;
        claim(setresuid(64903, 64903, 64903) == 0);
        claim_ok(title.claim());
        claim_ok(forbid_dumps());
        title.set("worker", "alice");
        claim(contents("/proc/self/cmdline") == std::string("itk2: worker alice\0", 19));
    });
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(an_armed_child_dies_with_its_parent),
        cmocka_unit_test(arming_fails_where_the_parent_is_another),
        cmocka_unit_test(a_session_is_its_leaders_own),
        cmocka_unit_test(a_session_has_its_own_keyring),
        cmocka_unit_test(a_keyring_that_can_not_be_left_is_a_failure_unless_nobody_can_read_keys),
        cmocka_unit_test(forbidden_dumps_are_verified),
        cmocka_unit_test(a_second_thread_is_seen),
        cmocka_unit_test(without_proc_nothing_is_taken_for_granted),
        cmocka_unit_test(root_sets_the_nice_value_of_its_child),
        cmocka_unit_test(a_session_of_others_keeps_its_nice_value),
        cmocka_unit_test(without_privilege_nobody_becomes_less_nice),
        cmocka_unit_test(a_child_is_signalled_through_a_descriptor),
        cmocka_unit_test(a_process_that_was_reaped_gets_no_signal),
        cmocka_unit_test(a_process_of_others_gets_no_signal),
        cmocka_unit_test(a_child_is_signalled_where_there_are_no_descriptors_of_processes),
        cmocka_unit_test(a_signal_that_can_not_be_sent_is_told),
        cmocka_unit_test(a_title_shows_in_ps_and_leaves_the_arguments_alone),
        cmocka_unit_test(a_title_too_long_is_cut),
        cmocka_unit_test(a_title_is_changed_without_privilege),
    };
    return cmocka_run_group_tests_name("process", tests, nullptr, nullptr);
}
