// Claims about os/proc_status: it reads what the kernel says, and believes no file that doesn't say all of it.
#include "in_child.h"

#include "os/proc_status.h"

#include <array>
#include <cstdlib>

using namespace itk2;
using namespace itk2::os;

namespace {

const std::string whole =
    "Name:\tCapEff:\\nUid:\nUmask:\t0022\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t4 27 1000 \n"
    "Threads:\t1\nCapInh:\t0000000000000001\nCapPrm:\t00000000000000c0\nCapEff:\t00000000000000c1\n"
    "CapBnd:\t000001ffffffffff\nCapAmb:\tffffffffffffffff\nNoNewPrivs:\t0\nCpus_allowed_list:\t0-1\n";

Result read_text(const std::string &text, ProcStatus &status, std::span<const gid_t> groups = {}) {
    char name[] = "/tmp/itk2-status-XXXXXX";
    const int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.data(), text.size()), text.size());
    close(fd);
    const Result result = read_proc_status(name, groups, status);
    unlink(name);
    return result;
}

void refuses(const std::string &text) {
    ProcStatus status;
    const Result result = read_text(text, status);
    assert_int_equal(result.step, Step::verify_proc);
}

std::string with(const std::string &old_part, const std::string &new_part) {
    std::string text = whole;
    const std::size_t at = text.find(old_part);
    assert_true(at != std::string::npos);
    return text.replace(at, old_part.size(), new_part);
}

void every_field_is_read(void **) {
    ProcStatus status;
    const std::array<gid_t, 3> groups = {4, 5, 27};
    assert_true(read_text(whole, status, groups).ok());
    assert_true((status.uids == std::array<uid_t, 4>{1, 2, 3, 4}));
    assert_true((status.gids == std::array<gid_t, 4>{5, 6, 7, 8}));
    assert_int_equal(status.group_count, 3);
    assert_int_equal(status.known_groups, 2);
    assert_int_equal(status.inheritable, 1);
    assert_int_equal(status.permitted, 0xc0);
    assert_int_equal(status.effective, 0xc1);
    assert_true(status.bounding == 0x1ffffffffffU);
    assert_true(status.ambient == UINT64_MAX);
}

void no_groups_are_none(void **) {
    ProcStatus status;
    assert_true(read_text(with("4 27 1000 ", ""), status).ok());
    assert_int_equal(status.group_count, 0);
}

void a_missing_line_is_a_failure(void **) {
    for (const char *name : {"\nUid:\t", "\nGid:\t", "\nGroups:\t", "\nCapInh:\t", "\nCapPrm:\t", "\nCapEff:\t",
                             "\nCapBnd:\t", "\nCapAmb:\t"})
        refuses(with(name, "\nOther:\t"));
    refuses("");
}

void a_broken_line_is_a_failure(void **) {
    refuses(with("\t1\t2\t3\t4", "\t1\t2\t3"));
    refuses(with("\t1\t2\t3\t4", "\t1\t2\t3\t4\t5"));
    refuses(with("\t1\t2\t3\t4", "\t1\t2\tx\t4"));
    refuses(with("\t1\t2\t3\t4", "\t1\t2\t-3\t4"));
    refuses(with("00000000000000c0", ""));
    refuses(with("00000000000000c0", "00000000000000g0"));
    refuses(with("00000000000000c0", "000000000000000c0"));
    refuses(with("00000000000000c0", "c0 c0"));
    refuses(with("4 27 1000", "4 27 1,000"));
    refuses(whole.substr(0, whole.size() - 1)); // the end is missing
}

void a_status_that_cannot_be_read_is_a_failure(void **) {
    ProcStatus status;
    const Result none = read_proc_status("/proc/self/no-such-file", {}, status);
    assert_true(none.step == Step::verify_proc && none.error == ENOENT);
    const Result directory = read_proc_status("/proc/self", {}, status);
    assert_true(directory.step == Step::verify_proc && directory.error == EISDIR);
}

void the_kernels_own_file_is_read(void **) {
    ProcStatus status;
    assert_true(read_proc_status("/proc/self/status", {}, status).ok());
    assert_int_equal(status.uids[1], geteuid());
    assert_int_equal(status.gids[1], getegid());
    assert_int_equal(status.group_count, getgroups(0, nullptr));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_read),
        cmocka_unit_test(no_groups_are_none),
        cmocka_unit_test(a_missing_line_is_a_failure),
        cmocka_unit_test(a_broken_line_is_a_failure),
        cmocka_unit_test(a_status_that_cannot_be_read_is_a_failure),
        cmocka_unit_test(the_kernels_own_file_is_read),
    };
    return cmocka_run_group_tests_name("proc status", tests, nullptr, nullptr);
}
