// Claims about os/adopted: what the children have started and left behind is found and ended, and nothing else.
#include "failing_calls.h"
#include "in_child.h"

#include "os/adopted.h"
#include "os/clock.h"

#include <fcntl.h>

#include <csignal>

using namespace itk2;
using namespace itk2::os;

namespace {

// Deaf to all that can be ignored; holds the pipe's sending end until it ends.
[[noreturn]] void hold_on() {
    for (int number = 1; number < 32; number++) signal(number, SIG_IGN);
    for (;;) pause();
}

// So many processes, each in a session of its own and the child of the one before, of which the last one lives. It is
// there on return.
void start_chain(int length) {
    int told[2];
    claim(pipe(told) == 0);
    const pid_t first = fork();
    claim(first >= 0, "fork");
    char byte = 0;
    if (first > 0) {
        claim(read(told[0], &byte, 1) == 1);
        close(told[0]);
        close(told[1]);
        return;
    }
    for (int i = 1; i < length; i++) {
        setsid();
        if (fork() != 0) _exit(0);
    }
    setsid();
    claim(write(told[1], &byte, 1) == 1);
    hold_on();
}

bool has_ended(int reading_end) {
    char byte = 0;
    return read(reading_end, &byte, 1) == 0;
}

void end_all_adopted() {
    std::uint32_t left = 1;
    while (left > 0) {
        claim_ok(kill_adopted(left));
        while (waitpid(-1, nullptr, WNOHANG) > 0) {}
        sleep_briefly();
    }
}

void what_was_left_behind_is_adopted_and_ended(void **) {
    holds_in_child([] {
        setsid();
        claim_step(verify_adopting(), Step::adopt_orphans); // the control
        claim_ok(adopt_orphans());
        int ends[2];
        claim(pipe(ends) == 0);
        for (const int length : {1, 2, 5}) start_chain(length);
        close(ends[1]);
        end_all_adopted();
        claim(has_ended(ends[0]));
        claim(waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD);
    });
}

void without_adopting_they_are_not_found(void **) {
    holds_in_child([] {
        setsid();
        int ends[2];
        int told[2];
        claim(pipe(ends) == 0 && pipe(told) == 0);
        const pid_t first = fork();
        if (first == 0) {
            setsid();
            const pid_t second = fork();
            if (second != 0) {
                claim(write(told[1], &second, sizeof second) == sizeof second);
                _exit(0);
            }
            hold_on();
        }
        close(ends[1]);
        pid_t second = 0;
        claim(read(told[0], &second, sizeof second) == sizeof second);
        claim(waitpid(first, nullptr, 0) == first);
        std::uint32_t left = 1;
        claim_ok(kill_adopted(left));
        claim(left == 0);
        claim(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
        char byte = 0;
        claim(read(ends[0], &byte, 1) == -1 && errno == EAGAIN, "it lives");
        claim(kill(second, SIGKILL) == 0);
    });
}

void a_child_of_the_own_session_is_left_alone(void **) {
    holds_in_child([] {
        setsid();
        claim_ok(adopt_orphans());
        const pid_t logger = fork();
        if (logger == 0) hold_on();
        std::uint32_t left = 1;
        claim_ok(kill_adopted(left));
        claim(left == 0 && waitpid(logger, nullptr, WNOHANG) == 0);
        claim(kill(logger, SIGKILL) == 0 && waitpid(logger, nullptr, 0) == logger);
    });
}

void without_proc_it_is_told(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        claim(make_fail({SYS_openat, any_argument, ENOENT}));
        std::uint32_t left = 1;
        const Result result = kill_adopted(left);
        claim(result.step == Step::verify_proc && result.error == ENOENT);
    });
    for (const int error : {0, EINVAL}) {
        holds_in_child([error] {
            claim(make_fail({SYS_prctl, PR_SET_CHILD_SUBREAPER, error}));
            claim_step(adopt_orphans(), Step::adopt_orphans);
        });
    }
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(what_was_left_behind_is_adopted_and_ended),
        cmocka_unit_test(without_adopting_they_are_not_found),
        cmocka_unit_test(a_child_of_the_own_session_is_left_alone),
        cmocka_unit_test(without_proc_it_is_told),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
