// What it is: see owner_teller.h.
#include "os/owner_teller.h"

#include "os/clock.h"
#include "os/credentials.h"
#include "os/descriptors.h"
#include "os/process.h"
#include "os/signals.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>

namespace itk2::os {
namespace {

struct Question {
    std::uint32_t number;
    std::array<char, PATH_MAX> path;
};
struct Answer {
    std::uint32_t number;
    PathOwner owner;
};

Result prepare(int channel, uid_t uid, gid_t gid, pid_t parent) {
    for (const int number : {SIGTERM, SIGHUP, SIGINT, SIGUSR1, SIGWINCH, SIGCHLD, SIGPIPE}) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    const std::array kept = {0, 1, 2, channel};
    Result result = close_all_but(kept);
    if (result.ok()) result = start_session();
    if (result.ok()) result = become_listener(uid, gid);
    if (result.ok()) result = forbid_dumps();
    return result.ok() ? arm_parent_death(parent) : result;
}

[[noreturn]] void tell(int channel, uid_t uid, gid_t gid, pid_t parent) {
    const Result result = prepare(channel, uid, gid, parent);
    if (send(channel, &result, sizeof result, MSG_NOSIGNAL) != sizeof result || !result.ok()) _exit(1);
    for (;;) {
        Question question;
        const ssize_t length = recv(channel, &question, sizeof question, 0);
        if (length < 0 && errno == EINTR) continue;
        if (length <= static_cast<ssize_t>(sizeof question.number)) _exit(0);
        question.path.back() = '\0';
        const std::size_t size = static_cast<std::size_t>(length) - sizeof question.number;
        question.path[std::min(size, question.path.size() - 1)] = '\0';
        Answer answer{};
        answer.number = question.number;
        answer.owner = find_path_owner(question.path.data(), Sight::anybodys);
        if (send(channel, &answer, sizeof answer, MSG_NOSIGNAL) != sizeof answer) _exit(0);
    }
}

constexpr PathOwner failed_with(int error) { return {PathOwner::Outcome::failed, 0, 0, error}; }

} // namespace

Result OwnerTeller::start(uid_t uid, gid_t gid) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return failed(Step::make_channel);
    Fd own(ends[0]);
    Fd childs(ends[1]);
    const pid_t self = getpid();
    {
        // A signal for the child must not meet the parent's handlers in it.
        const SignalsBlocked blocked;
        const pid_t child = fork();
        if (child < 0) return failed(Step::fork_child);
        if (child == 0) tell(childs.get(), uid, gid, self);
    }
    childs.reset();
    Result result;
    ssize_t length = 0;
    do length = recv(own.get(), &result, sizeof result, 0);
    while (length < 0 && errno == EINTR);
    if (length != sizeof result) return refused(Step::peer_closed);
    if (result.ok()) channel_ = std::move(own);
    return result;
}

PathOwner OwnerTeller::ask(const char *path, std::uint32_t timeout_ms) {
    Question question;
    const std::size_t size = strlen(path);
    if (size == 0 || size >= question.path.size()) return failed_with(size == 0 ? EINVAL : ENAMETOOLONG);
    question.number = ++asked_;
    memcpy(question.path.data(), path, size);
    const std::size_t length = sizeof question.number + size;
    // It reads one after the other: what it hasn't read yet waits in the socket.
    if (send(channel_.get(), &question, length, MSG_NOSIGNAL | MSG_DONTWAIT) != static_cast<ssize_t>(length))
        return failed_with(errno);
    const std::int64_t deadline = monotonic_ms() + timeout_ms;
    for (;;) {
        const std::int64_t left = std::max<std::int64_t>(deadline - monotonic_ms(), 0);
        pollfd watched{channel_.get(), POLLIN, 0};
        const int ready = poll(&watched, 1, static_cast<int>(left));
        if (ready < 0 && errno != EINTR) return failed_with(errno);
        if (ready == 0 && left == 0) return failed_with(ETIMEDOUT);
        if (ready <= 0) continue;
        Answer answer;
        const ssize_t received = recv(channel_.get(), &answer, sizeof answer, MSG_DONTWAIT);
        if (received < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (received != sizeof answer) return failed_with(EPIPE);
        // An older one comes late.
        if (answer.number == question.number) return answer.owner;
    }
}

} // namespace itk2::os
