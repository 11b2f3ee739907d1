// What it is: see owner_teller.h.
#include "os/owner_teller.h"

#include "os/bystander.h"
#include "os/clock.h"
#include "os/signals.h"
#include "os/waiting.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
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

[[noreturn]] void tell(int channel, uid_t uid, gid_t gid, pid_t parent) {
    const std::array kept = {0, 1, 2, channel};
    const Result result = become_bystander(kept, uid, gid, parent);
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
        const int ready = await(channel_.get(), POLLIN, deadline);
        if (ready <= 0) return failed_with(ready == 0 ? ETIMEDOUT : errno);
        Answer answer;
        const ssize_t received = recv(channel_.get(), &answer, sizeof answer, MSG_DONTWAIT);
        if (received < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (received != sizeof answer) return failed_with(EPIPE);
        // An older one comes late.
        if (answer.number == question.number) return answer.owner;
    }
}

} // namespace itk2::os
