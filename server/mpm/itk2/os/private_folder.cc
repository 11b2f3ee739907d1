// What it is: see private_folder.h.
#include "os/private_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

namespace itk2::os {

namespace {

// The same on every architecture; older headers lack them.
constexpr long sys_fsopen = 430;
constexpr long sys_fsconfig = 431;
constexpr long sys_fsmount = 432;
constexpr unsigned close_on_exec = 1;             // FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC
constexpr unsigned set_string = 1;                // FSCONFIG_SET_STRING
constexpr unsigned create = 6;                    // FSCONFIG_CMD_CREATE
constexpr unsigned no_programs = 0x2 | 0x4 | 0x8; // MOUNT_ATTR_NOSUID, _NODEV, _NOEXEC

constexpr mode_t everybody_reads = 0444;

} // namespace

Result make_private_folder(Fd &folder) {
    const Fd system{static_cast<int>(syscall(sys_fsopen, "tmpfs", close_on_exec))};
    if (!system.is_open()) return failed(Step::make_folder);
    if (syscall(sys_fsconfig, system.get(), set_string, "mode", "0711", 0) != 0) return failed(Step::make_folder);
    if (syscall(sys_fsconfig, system.get(), create, nullptr, nullptr, 0) != 0) return failed(Step::make_folder);
    folder.reset(static_cast<int>(syscall(sys_fsmount, system.get(), close_on_exec, no_programs)));
    return folder.is_open() ? success : failed(Step::make_folder);
}

Result remove_file(int folder, const char *name) {
    return unlinkat(folder, name, 0) == 0 || errno == ENOENT ? success : failed(Step::make_folder);
}

Result renew_file(int folder, const char *name, std::size_t size, Fd &file) {
    if (const Result removed = remove_file(folder, name); !removed.ok()) return removed;
    Fd made{openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, everybody_reads)};
    if (!made.is_open() || fchmod(made.get(), everybody_reads) != 0) return failed(Step::make_folder);
    if (ftruncate(made.get(), static_cast<off_t>(size)) != 0) return failed(Step::make_folder);
    file = std::move(made);
    return success;
}

Result open_file(int folder, const char *name, Fd &file) {
    file.reset(openat(folder, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    return file.is_open() ? success : failed(Step::make_folder);
}

Result open_file_to_read(int folder, const char *name, Fd &file) {
    file.reset(openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    return file.is_open() ? success : failed(Step::make_folder);
}

} // namespace itk2::os
