// Claims about os/descriptors: what is not kept is closed, and what is open is known.
#include "failing_calls.h"
#include "in_child.h"

#include "os/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>

using namespace itk2;
using namespace itk2::os;

namespace {

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

void open_some() {
    for (const int number : {5, 6, 9, 100, 900}) claim(dup2(STDERR_FILENO, number) == number);
}

void claim_only_kept_are_open() {
    constexpr std::array kept = {0, 1, 2, 6, 900};
    int unknown = -1;
    claim(verify_only_open(kept, unknown).step == Step::close_descriptors && unknown > 2); // the control
    claim(close_all_but(kept).ok());
    for (int fd = 3; fd < 1024; fd++) claim(is_open(fd) == (fd == 6 || fd == 900), std::to_string(fd));
    claim(verify_only_open(kept, unknown).ok() && unknown == -1);
}

void all_but_the_kept_are_closed(void **) {
    holds_in_child([] {
        open_some();
        claim_only_kept_are_open();
    });
}

void without_close_range_they_are_closed_as_well(void **) {
    NEEDS_ROOT();
    for (const int error : {ENOSYS, EPERM}) {
        holds_in_child([&] {
            open_some();
            claim(make_fail({SYS_close_range, any_argument, error}));
            claim_only_kept_are_open();
        });
    }
}

void those_above_a_lowered_limit_are_closed_as_well(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        open_some();
        const rlimit low{64, 64};
        claim(setrlimit(RLIMIT_NOFILE, &low) == 0);
        claim(make_fail({SYS_close_range, any_argument, ENOSYS}));
        claim_only_kept_are_open();
    });
}

void nothing_kept_closes_all(void **) {
    holds_in_child([] {
        claim(close_all_but({}).ok());
        for (int fd = 0; fd < 1024; fd++)
            if (is_open(fd)) _exit(1);
    });
}

void a_list_out_of_order_is_refused(void **) {
    holds_in_child([] {
        constexpr std::array wrong = {0, 2, 1};
        const Result result = close_all_but(wrong);
        claim(result.step == Step::close_descriptors && result.error == EINVAL);
        constexpr std::array none = {-1};
        claim(close_all_but(none).error == EINVAL);
    });
}

void close_some_of_many() {
    for (int fd = 100; fd < 120; fd++) claim(dup2(STDERR_FILENO, fd) == fd);
    std::array going = {119, 100, 103, 101, 105, 104, 110};
    close_each(going);
    for (int fd = 100; fd < 120; fd++)
        claim(is_open(fd) == (std::find(going.begin(), going.end(), fd) == going.end()), std::to_string(fd));
}

void each_of_some_is_closed_and_no_other(void **) {
    holds_in_child(close_some_of_many);
    holds_in_child([] { close_each({}); });
}

void without_close_range_so_it_is_as_well(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        claim(make_fail({SYS_close_range, any_argument, ENOSYS}));
        close_some_of_many();
    });
}

void an_unknown_descriptor_is_named(void **) {
    holds_in_child([] {
        constexpr std::array kept = {0, 1, 2};
        int unknown = -1;
        claim(close_all_but(kept).ok());
        claim(dup2(STDERR_FILENO, 77) == 77);
        const Result result = verify_only_open(kept, unknown);
        claim(result.step == Step::close_descriptors && result.error == 0 && unknown == 77);
    });
}

void without_proc_nothing_is_taken_for_granted(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        int unknown = -1;
        claim(make_fail({SYS_openat, any_argument, EACCES}));
        claim(verify_only_open({}, unknown).step == Step::verify_proc);
    });
}

void what_is_handed_on_survives_exec(void **) {
    holds_in_child([] {
        const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        claim(null > 2 && hand_on(null, 50).ok());
        claim(!is_open(null) && fcntl(50, F_GETFD) == 0);
        const int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
        claim(hand_on(other, other).ok() && fcntl(other, F_GETFD) == 0);
        claim(hand_on(999, 60).error == EBADF && hand_on(999, 999).error == EBADF);
        execl("/bin/sh", "sh", "-c", "test -e /proc/self/fd/50", nullptr);
        _exit(2);
    });
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(all_but_the_kept_are_closed),
        cmocka_unit_test(without_close_range_they_are_closed_as_well),
        cmocka_unit_test(those_above_a_lowered_limit_are_closed_as_well),
        cmocka_unit_test(nothing_kept_closes_all),
        cmocka_unit_test(a_list_out_of_order_is_refused),
        cmocka_unit_test(each_of_some_is_closed_and_no_other),
        cmocka_unit_test(without_close_range_so_it_is_as_well),
        cmocka_unit_test(an_unknown_descriptor_is_named),
        cmocka_unit_test(without_proc_nothing_is_taken_for_granted),
        cmocka_unit_test(what_is_handed_on_survives_exec),
    };
    return cmocka_run_group_tests_name("descriptors", tests, nullptr, nullptr);
}
