// What it is: the checks and settings of the start, in their order.
#include "listener/start.h"

#include "base/exit_code.h"
#include "listener/close_guard.h"
#include "listener/master_link.h"
#include "os/descriptors.h"
#include "os/proc_status.h"
#include "os/process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace itk2::listener {
namespace {

template <typename Number> bool read_number(const char *text, Number &number) {
    const char *end = text + std::strlen(text);
    const auto [stopped, error] = std::from_chars(text, end, number);
    return error == std::errc{} && stopped == end && stopped != text;
}

Result set_signals() {
    for (const int ignored : {SIGPIPE, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGINT})
        if (signal(ignored, SIG_IGN) == SIG_ERR) return failed(Step::start_program);
    if (signal(SIGTERM, SIG_DFL) == SIG_ERR) return failed(Step::start_program);
    sigset_t none;
    sigemptyset(&none);
    if (pthread_sigmask(SIG_SETMASK, &none, nullptr) != 0) return failed(Step::start_program);
    return CloseGuard::install();
}

// A master that is not root runs as this uid and can't empty the bounding set, which is worth nothing then.
bool is_started_by_root(pid_t master) {
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/status", master);
    os::ProcStatus masters;
    return !os::read_proc_status(path, {}, masters).ok() || masters.uids[1] != geteuid();
}

Result set_standard_descriptors() {
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return failed(Step::close_descriptors);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (fd == null || (fd == STDERR_FILENO && fcntl(fd, F_GETFD) >= 0)) continue;
        if (dup2(null, fd) < 0) return failed(Step::close_descriptors);
    }
    return success;
}

Result verify_no_privilege(pid_t master) {
    if (geteuid() == 0 || getuid() == 0) return refused(Step::verify_ids);
    os::ProcStatus own;
    if (const Result read = os::read_proc_status("/proc/self/status", {}, own); !read.ok()) return read;
    for (const uid_t uid : own.uids)
        if (uid != own.uids[0] || uid == 0) return refused(Step::verify_ids);
    if ((own.inheritable | own.permitted | own.effective | own.ambient) != 0) return refused(Step::verify_capabilities);
    if (own.bounding != 0 && is_started_by_root(master)) return refused(Step::verify_capabilities);
    return success;
}

Result set_descriptors(std::uint32_t &limit) {
    if (const Result set = set_standard_descriptors(); !set.ok()) return set;
    constexpr std::array kept = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, MasterLink::orders, MasterLink::reports};
    if (const Result closed = os::close_all_but(kept); !closed.ok()) return closed;
    for (const int fd : {MasterLink::orders, MasterLink::reports}) {
        const int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
            return failed(Step::make_channel);
    }
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return failed(Step::start_program);
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0) return failed(Step::start_program);
    limit = static_cast<std::uint32_t>(std::min<rlim_t>(files.rlim_cur, INT32_MAX));
    return success;
}

} // namespace

bool read_arguments(int argc, char **argv, Arguments &arguments) {
    return argc == 3 && read_number(argv[1], arguments.number) && read_number(argv[2], arguments.master) &&
           arguments.master > 0;
}

Result secure(const Arguments &arguments, std::uint32_t &descriptor_limit) {
    if (const Result armed = os::arm_parent_death(arguments.master); !armed.ok()) return armed;
    if (const Result hidden = os::forbid_dumps(); !hidden.ok()) return hidden;
    if (const Result verified = verify_no_privilege(arguments.master); !verified.ok()) return verified;
    if (const Result set = set_signals(); !set.ok()) return set;
    return set_descriptors(descriptor_limit);
}

Result draw_secret(plan::SipKey &secret) {
    ssize_t length;
    do length = getrandom(&secret, sizeof secret, 0);
    while (length < 0 && errno == EINTR);
    if (length < 0) return failed(Step::start_program);
    return length == sizeof secret ? success : refused(Step::start_program);
}

std::uint32_t count_processors() {
    cpu_set_t usable;
    CPU_ZERO(&usable);
    if (sched_getaffinity(0, sizeof usable, &usable) != 0) return 1;
    return static_cast<std::uint32_t>(CPU_COUNT(&usable));
}

void show_title(int argc, char **argv, std::uint32_t number) {
    // The arguments lie side by side, and nothing else needs them any more.
    char *end = argv[argc - 1] + std::strlen(argv[argc - 1]) + 1;
    const auto room = static_cast<std::size_t>(end - argv[0]);
    std::memset(argv[0], 0, room);
    snprintf(argv[0], room, "itk2: listener %u", number);
}

void complain(const char *what, Result result) {
    char line[200];
    int length;
    if (result.error == 0) {
        length =
            snprintf(line, sizeof line, "ITK2401: itk2-listener: %s: step %s failed\n", what, step_name(result.step));
    } else {
        char words[100];
        length = snprintf(line, sizeof line, "ITK2401: itk2-listener: %s: step %s failed: %s (%d)\n", what,
                          step_name(result.step), strerror_r(result.error, words, sizeof words), result.error);
    }
    const auto size = std::min(static_cast<std::size_t>(std::max(length, 0)), sizeof line - 1);
    // There is nowhere to complain about a failed complaint.
    if (write(STDERR_FILENO, line, size) < 0) return;
}

} // namespace itk2::listener
