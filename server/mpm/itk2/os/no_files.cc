// What it is: see no_files.h.
#include "os/no_files.h"

#include "os/fd.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace itk2::os {

namespace {

// <linux/landlock.h> of older systems lacks the later rights; the kernel says how many it knows.
struct Ruleset {
    std::uint64_t handled;
};
constexpr std::uint32_t version_flag = 1;
constexpr int rights_by_version[] = {0,  13, 14,
                                     15, 15, 16}; // execute, write, read ... refer, truncate, ioctl on devices

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_restrict_self 446
#endif

} // namespace

Result hide_files(bool &missing) {
    const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, version_flag);
    missing = version < 1 && (errno == ENOSYS || errno == EOPNOTSUPP);
    if (missing) return success;
    if (version < 1) return failed(Step::hide_files);
    constexpr long newest = sizeof rights_by_version / sizeof rights_by_version[0] - 1;
    const Ruleset nothing{(std::uint64_t{1} << rights_by_version[version < newest ? version : newest]) - 1};
    const Fd ruleset{static_cast<int>(syscall(SYS_landlock_create_ruleset, &nothing, sizeof nothing, 0))};
    if (!ruleset.is_open()) return failed(Step::hide_files);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed(Step::hide_files);
    if (syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) return failed(Step::hide_files);
    return verify_no_files();
}

Result verify_no_files() {
    const Fd root{open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (root.is_open()) return refused(Step::hide_files);
    return errno == EACCES ? success : failed(Step::hide_files);
}

} // namespace itk2::os
