// Claims about os/syscall_filter and os/no_files: what is not allowed ends the process, or is not there.
#include "failing_calls.h"
#include "in_child.h"

#include "os/no_files.h"
#include "os/syscall_filter.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <csignal>

using namespace itk2;
using namespace itk2::os;

namespace {

using Kind = ArgumentRule::Kind;

constexpr AllowedCall some[] = {
    {SYS_exit_group},
    {SYS_write},
    {SYS_getpid},
    {SYS_prctl, {Kind::equals, 0, PR_GET_SECCOMP}},
    {SYS_fcntl, {Kind::equals, 1, F_GETFD}},
    {SYS_fcntl, {Kind::equals, 1, F_GETFL}},
    {SYS_mmap, {Kind::without_bits, 2, PROT_EXEC}},
    {SYS_sendto, {Kind::equals, 3, MSG_NOSIGNAL}, {Kind::null, 4, 0}},
};

// How a child ends that makes this call under the filter.
template <typename Call> int status_of(Call call) {
    return status_of_child([&] {
        bool missing = true;
        claim(allow_only(some, missing).ok() && !missing);
        call();
        syscall(SYS_exit_group, 7);
    });
}

constexpr int lived = 7;
constexpr int ended = 128 + SIGSYS;

long map(int protection) { return syscall(SYS_mmap, nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }

void calls_of_the_table_are_made_and_others_end_the_process(void **) {
    assert_int_equal(status_of([] { syscall(SYS_getpid); }), lived);
    assert_int_equal(status_of([] { syscall(SYS_getppid); }), ended);
    assert_int_equal(status_of([] { syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY); }), ended);
    assert_int_equal(status_of([] { syscall(SYS_socket, AF_INET, SOCK_STREAM, 0); }), ended);
    assert_int_equal(status_of([] { syscall(SYS_execve, "/bin/true", nullptr, nullptr); }), ended);
}

void arguments_count_where_a_rule_says_so(void **) {
    assert_int_equal(status_of([] { syscall(SYS_fcntl, 0, F_GETFD); }), lived);
    assert_int_equal(status_of([] { syscall(SYS_fcntl, 0, F_GETFL); }), lived);
    assert_int_equal(status_of([] { syscall(SYS_fcntl, 0, F_SETFL, O_NONBLOCK); }), ended);
    assert_int_equal(status_of([] { map(PROT_READ | PROT_WRITE); }), lived);
    assert_int_equal(status_of([] { map(PROT_READ | PROT_EXEC); }), ended);
    assert_int_equal(status_of([] { syscall(SYS_sendto, 0, "x", 1, MSG_NOSIGNAL, nullptr, 0); }), lived);
    assert_int_equal(status_of([] { syscall(SYS_sendto, 0, "x", 1, 0, nullptr, 0); }), ended);
    // An address in either half of the pointer.
    assert_int_equal(status_of([] { syscall(SYS_sendto, 0, "x", 1, MSG_NOSIGNAL, 4096UL, 0); }), ended);
    assert_int_equal(status_of([] { syscall(SYS_sendto, 0, "x", 1, MSG_NOSIGNAL, 4096UL << 32, 0); }), ended);
}

#ifdef __x86_64__
void the_calls_of_another_architecture_end_the_process(void **) {
    constexpr long x32 = 0x40000000;
    assert_int_equal(status_of([] { syscall(x32 | SYS_getpid); }), ended);
}
#endif

void a_kernel_without_filters_is_told_of(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        claim(make_fail({SYS_seccomp, any_argument, ENOSYS}));
        bool missing = false;
        claim(allow_only(some, missing).ok() && missing);
    });
    holds_in_child([] {
        claim(make_fail({SYS_seccomp, any_argument, EPERM}));
        bool missing = false;
        claim_step(allow_only(some, missing), Step::filter_calls);
    });
    holds_in_child([] {
        claim(make_fail({SYS_seccomp, any_argument, 0})); // says that it has done it: an older filter is there
        bool missing = true;
        claim(allow_only(some, missing).ok() && !missing);
    });
}

bool has_landlock() { return syscall(SYS_landlock_create_ruleset, nullptr, 0, 1) >= 1; }

void hidden_files_cannot_be_opened_and_open_ones_can_be_read(void **) {
    holds_in_child([] {
        const int open_before = open("/etc/passwd", O_RDONLY);
        bool missing = false;
        claim_ok(hide_files(missing));
        claim(missing == !has_landlock());
        if (missing) return; // a kernel without: nothing has changed
        char byte = 0;
        claim(read(open_before, &byte, 1) == 1);
        claim(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES);
        claim(open("/tmp/itk2-hidden", O_WRONLY | O_CREAT, 0600) < 0 && errno == EACCES);
        claim(mkdir("/tmp/itk2-hidden", 0700) < 0 && errno == EACCES);
        claim_ok(verify_no_files());
    });
    holds_in_child([] { claim_step(verify_no_files(), Step::hide_files); }); // the control
}

void a_kernel_that_cannot_hide_files_is_told_of_and_one_that_fails_refused(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        claim(make_fail({SYS_landlock_create_ruleset, any_argument, ENOSYS}));
        bool missing = false;
        claim(hide_files(missing).ok() && missing);
    });
    for (const long call : {SYS_landlock_create_ruleset, SYS_landlock_restrict_self}) {
        holds_in_child([&] {
            if (!has_landlock()) return;
            bool missing = false;
            claim(make_fail({call, any_argument, EPERM}));
            claim_step(hide_files(missing), Step::hide_files);
        });
    }
    holds_in_child([] {
        if (!has_landlock()) return;
        bool missing = false;
        claim(make_fail({SYS_landlock_restrict_self, any_argument, 0}));
        claim_step(hide_files(missing), Step::hide_files);
    });
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(calls_of_the_table_are_made_and_others_end_the_process),
        cmocka_unit_test(arguments_count_where_a_rule_says_so),
#ifdef __x86_64__
        cmocka_unit_test(the_calls_of_another_architecture_end_the_process),
#endif
        cmocka_unit_test(a_kernel_without_filters_is_told_of),
        cmocka_unit_test(hidden_files_cannot_be_opened_and_open_ones_can_be_read),
        cmocka_unit_test(a_kernel_that_cannot_hide_files_is_told_of_and_one_that_fails_refused),
    };
    return cmocka_run_group_tests_name("sandbox", tests, nullptr, nullptr);
}
