// What it is: what one process can try on another, and processes to try it on or to try it from.
#pragma once

#include "living_parser.h"

#include <linux/sched.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

inline bool write_file(const std::string &path, const std::string &text) {
    const itk2::os::Fd file{open(path.c_str(), O_WRONLY | O_CLOEXEC)};
    return file.is_open() && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

inline int clone_into_namespace() {
    clone_args args{};
    args.flags = CLONE_NEWUSER;
    args.exit_signal = SIGCHLD;
    const auto pid = static_cast<pid_t>(syscall(SYS_clone3, &args, sizeof args));
    if (pid == 0) _exit(0);
    if (pid > 0) waitpid(pid, nullptr, 0);
    return pid > 0 ? 0 : -1;
}

// Where the one who asks could look into another: 0, or the errno of each.
inline int look_by_ptrace(pid_t pid) {
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) != 0) return errno;
    ptrace(PTRACE_INTERRUPT, pid, 0, 0);
    waitpid(pid, nullptr, __WALL);
    ptrace(PTRACE_DETACH, pid, 0, 0);
    return 0;
}

inline int look_by_memory(pid_t pid) {
    char byte = 0;
    static char there = 1; // the same address in both
    iovec mine{&byte, 1};
    iovec theirs{&there, 1};
    return process_vm_readv(pid, &mine, 1, &theirs, 1, 0) == 1 ? 0 : errno;
}

inline int look_by_descriptor(pid_t pid) {
    const itk2::os::Fd process{static_cast<int>(syscall(SYS_pidfd_open, pid, 0))};
    const itk2::os::Fd taken{static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), 0, 0))};
    return taken.is_open() ? 0 : errno;
}

inline int enter_by_pidfd(pid_t pid) {
    const itk2::os::Fd process{static_cast<int>(syscall(SYS_pidfd_open, pid, 0))};
    return setns(process.get(), CLONE_NEWUSER) == 0 ? 0 : errno;
}

inline int enter_by_descriptor(const itk2::os::Fd &name_space) {
    return setns(name_space.get(), CLONE_NEWUSER) == 0 ? 0 : errno;
}

inline itk2::os::Fd open_namespace(const std::string &proc) {
    return itk2::os::Fd{open((proc + "ns/user").c_str(), O_RDONLY | O_CLOEXEC)};
}

inline void claim_closed_to_me(const LivingParser &other) {
    claim(look_by_ptrace(other.pid()) == EPERM);
    claim(look_by_memory(other.pid()) == EPERM);
    claim(look_by_descriptor(other.pid()) == EPERM);
    claim(enter_by_pidfd(other.pid()) == EPERM);
    for (const char *file : {"mem", "uid_map", "gid_map", "setgroups"})
        claim(!can_open(other.proc(file), O_RDWR), file);
    claim(!can_open(other.proc("ns/user"), O_RDONLY));
}
