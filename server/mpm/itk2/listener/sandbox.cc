// What it is: the table of the system calls that the listener makes while it serves; any other one ends it.
#include "listener/sandbox.h"

#include "os/fd.h"
#include "os/no_files.h"
#include "os/syscall_filter.h"
#include "wire/messages.h"

#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define ITK2_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ITK2_SANITIZED 1
#endif
#endif

namespace itk2::listener {
namespace {

using Kind = os::ArgumentRule::Kind;

constexpr os::ArgumentRule equals(std::uint8_t argument, std::uint32_t value) {
    return {Kind::equals, argument, value};
}
constexpr os::ArgumentRule null(std::uint8_t argument) { return {Kind::null, argument, 0}; }
constexpr os::ArgumentRule without(std::uint8_t argument, std::uint32_t bits) {
    return {Kind::without_bits, argument, bits};
}

// No file is opened, no socket made, connected or bound, no process made or signalled, no memory made executable.
constexpr os::AllowedCall allowed[] = {
#ifdef SYS_epoll_wait
    {SYS_epoll_wait},
#endif
    {SYS_epoll_pwait},
    {SYS_epoll_ctl},
    {SYS_accept4},
    {SYS_recvfrom},
    {SYS_recvmsg},
    {SYS_sendmsg},
    {SYS_sendto, null(4)}, // to whom it is connected with, nobody else
    {SYS_read},
    {SYS_write},
    {SYS_close},
    {SYS_shutdown},
    {SYS_getsockname},
    {SYS_getpeername},
    {SYS_setsockopt, equals(1, SOL_SOCKET), equals(2, SO_LINGER)},
    {SYS_fcntl, equals(1, F_GETFL)},
    {SYS_fcntl, equals(1, F_GET_SEALS)},
#ifdef SYS_fstat
    {SYS_fstat},
#endif
#ifdef SYS_newfstatat
    {SYS_newfstatat, equals(3, AT_EMPTY_PATH)},
#endif
    {SYS_mmap, without(2, PROT_EXEC)},
    {SYS_mprotect, without(2, PROT_EXEC)},
    {SYS_mremap},
    {SYS_munmap},
    {SYS_madvise},
    {SYS_brk},
    {SYS_setitimer, equals(0, ITIMER_REAL)},
    {SYS_rt_sigreturn},
    {SYS_restart_syscall},
    {SYS_clock_gettime},
    {SYS_getrandom, without(2, ~0U)},
    {SYS_prctl, equals(0, PR_GET_SECCOMP)},
    {SYS_exit_group},
#ifdef ITK2_SANITIZED
    // The sanitizers look at memory and signals, and read /proc/self/maps for a report.
    {SYS_futex},
    {SYS_getpid},
    {SYS_gettid},
    {SYS_tgkill},
    {SYS_sigaltstack},
    {SYS_rt_sigaction},
    {SYS_rt_sigprocmask},
    {SYS_sched_yield},
    {SYS_prctl},
    {SYS_prlimit64},
    {SYS_openat},
    {SYS_readlinkat},
    {SYS_lseek},
    {SYS_mmap},
    {SYS_mprotect},
#ifdef SYS_readlink
    {SYS_readlink},
#endif
#endif
};

} // namespace

Result enter_sandbox(std::uint16_t &kept) {
    kept = 0;
    bool missing = false;
#ifndef ITK2_SANITIZED
    if (const Result result = os::hide_files(missing); !result.ok()) return result;
    if (!missing) kept |= wire::Ready::no_files;
    // The server's error log, which is for complaints of the start: the last one may be about the next step.
    const os::Fd error_log{fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)};
    if (!error_log.is_open() || dup2(STDIN_FILENO, STDERR_FILENO) < 0) return failed(Step::close_descriptors);
#endif
    if (const Result result = os::allow_only(allowed, missing); !result.ok()) {
#ifndef ITK2_SANITIZED
        (void)dup2(error_log.get(), STDERR_FILENO);
#endif
        return result;
    }
    if (!missing) kept |= wire::Ready::few_calls;
    return success;
}

} // namespace itk2::listener
