// What it is: see name_lookup.h.
#include "httpd/name_lookup.h"

#include "os/clock.h"
#include "os/descriptors.h"
#include "os/fd.h"
#include "os/process.h"
#include "os/waiting.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace itk2::httpd {
namespace {

using Outcome = NameAnswer::Outcome;

constexpr NameAnswer failure(int error) { return {Outcome::failed, 0, error}; }

// getpwnam and getgrnam answer null both for "there is none" and for "could not look".
NameAnswer answer_for_null(int error) {
    const bool there_is_none = error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
    return there_is_none ? NameAnswer{Outcome::unknown, 0, 0} : failure(error);
}

[[noreturn]] void answer_as_child(Ask ask, NameKind kind, const char *name, int pipe_end, pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    // Should it hang, it holds nobody's connection.
    const int keep[] = {pipe_end};
    (void)os::close_all_but(keep);
    const NameAnswer answer = ask(kind, name);
    // Smaller than PIPE_BUF: all or nothing.
    _exit(write(pipe_end, &answer, sizeof answer) == sizeof answer ? 0 : 1);
}

// One that hangs in the kernel outlives even SIGKILL; then it is left to whoever reaps this process's children.
void end_child(pid_t child) {
    os::signal_child(child, SIGKILL);
    for (int tries = 0; tries < 100; tries++) {
        const pid_t reaped = waitpid(child, nullptr, WNOHANG);
        if (reaped == child || (reaped < 0 && errno != EINTR)) return;
        poll(nullptr, 0, 1);
    }
}

NameAnswer await_answer(int pipe_end, std::uint32_t timeout_ms) {
    const int ready = os::await(pipe_end, POLLIN, os::monotonic_ms() + timeout_ms);
    if (ready < 0) return failure(errno);
    if (ready == 0) return {Outcome::too_late, 0, 0};
    NameAnswer answer;
    ssize_t length = 0;
    do length = read(pipe_end, &answer, sizeof answer);
    while (length < 0 && errno == EINTR);
    return length == sizeof answer ? answer : failure(EIO); // the child has crashed
}

constexpr std::int64_t unknown_for_ms = 5000; // so that an account just made is soon found

} // namespace

NameAnswer ask_account_database(NameKind kind, const char *name) {
    errno = 0;
    if (kind == NameKind::user) {
        const passwd *entry = getpwnam(name);
        return entry != nullptr ? NameAnswer{Outcome::found, entry->pw_uid, 0} : answer_for_null(errno);
    }
    const group *entry = getgrnam(name);
    return entry != nullptr ? NameAnswer{Outcome::found, entry->gr_gid, 0} : answer_for_null(errno);
}

NameAnswer ask_in_child(Ask ask, NameKind kind, const char *name, std::uint32_t timeout_ms) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return failure(errno);
    const os::Fd reading(ends[0]);
    os::Fd writing(ends[1]);
    const pid_t self = getpid();
    const pid_t child = fork();
    if (child < 0) return failure(errno);
    if (child == 0) answer_as_child(ask, kind, name, writing.get(), self);
    writing.reset();
    const NameAnswer answer = await_answer(reading.get(), timeout_ms);
    end_child(child);
    return answer;
}

std::size_t NameCache::place_of(NameKind kind, const char *name) {
    std::uint32_t hash = kind == NameKind::user ? 2166136261U : 16777619U; // FNV-1a
    for (; *name != '\0'; name++) hash = (hash ^ static_cast<unsigned char>(*name)) * 16777619U;
    return hash % size;
}

const NameAnswer *NameCache::find(NameKind kind, const char *name, std::int64_t now_ms) const {
    const Entry &entry = entries_[place_of(kind, name)];
    const bool is_it = entry.until_ms > now_ms && entry.kind == kind && strcmp(entry.name.data(), name) == 0;
    return is_it ? &entry.answer : nullptr;
}

void NameCache::remember(NameKind kind, const char *name, const NameAnswer &answer, std::int64_t until_ms) {
    if (answer.outcome != Outcome::found && answer.outcome != Outcome::unknown) return;
    const std::size_t length = strlen(name);
    if (length > longest_name) return;
    Entry &entry = entries_[place_of(kind, name)];
    entry.until_ms = until_ms;
    entry.answer = answer;
    entry.kind = kind;
    memcpy(entry.name.data(), name, length + 1);
}

NameAnswer look_up_name(NameKind kind, const char *name, const LookupLimits &limits, Ask ask) {
    static constinit NameCache cache;
    if (const NameAnswer *known = cache.find(kind, name, os::monotonic_ms())) return *known;
    const NameAnswer answer = ask_in_child(ask, kind, name, limits.timeout_ms);
    std::int64_t good_for_ms = std::int64_t{limits.cache_s} * 1000;
    if (answer.outcome == Outcome::unknown) good_for_ms = std::min(good_for_ms, unknown_for_ms);
    cache.remember(kind, name, answer, os::monotonic_ms() + good_for_ms);
    return answer;
}

} // namespace itk2::httpd
