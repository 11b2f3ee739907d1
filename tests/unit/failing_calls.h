// What it is: makes a system call of this process fail, or claim success without doing anything (error 0).
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <iterator>

struct FailingCall {
    long call;
    long first_argument; // any_argument: whatever it is
    int error;
};

inline constexpr long any_argument = -1;

// For good, in this process and its children; so use it in a child only. Needs CAP_SYS_ADMIN.
inline bool make_fail(const FailingCall &failing) {
    constexpr unsigned arguments = offsetof(seccomp_data, args);
    const unsigned char to_argument = failing.first_argument == any_argument ? 2 : 0;
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(failing.call), 0, 4),
        BPF_JUMP(BPF_JMP | BPF_JA, to_argument, 0, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, arguments),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(failing.first_argument), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(failing.error)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program{std::size(filter), filter};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}
