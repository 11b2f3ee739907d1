// What it is: see resolver.h. Runs as: in the child, the spares' account, which no parser can send a signal to.
// Trusts: the account database. Never does: read a name that a client has sent; it is asked with numbers.
#include "role/resolver.h"

#include "base/exit_code.h"
#include "httpd/grants.h"
#include "httpd/log.h"
#include "httpd/serving.h"
#include "httpd/settings.h"
#include "os/bystander.h"
#include "os/fd.h"
#include "os/process.h"
#include "os/signals.h"
#include "role/birth.h"
#include "role/title.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

namespace itk2::role {
namespace {

wire::Found look_up(uid_t uid, gid_t gid) {
    wire::Found found;
    const httpd::AccountEntry entry = httpd::look_up_account(uid, gid);
    found.header.code = entry.is_found ? 1 : 0;
    found.error = static_cast<std::uint32_t>(entry.error);
    found.group_count = static_cast<std::uint32_t>(entry.groups.size());
    std::copy_n(entry.groups.begin(), std::min(entry.groups.size(), wire::Found::max_groups), found.groups.begin());
    std::strncpy(found.name.data(), entry.name, found.name.size() - 1);
    return found;
}

[[noreturn]] void run_resolver(int up, uid_t uid, gid_t gid, pid_t master) {
    const httpd::Settings &settings = httpd::settings();
    const std::array kept = {0, 1, 2, up};
    const Result result = os::become_bystander(kept, settings.spare_uid, settings.spare_gid, master);
    if (!result.ok()) fail_at_birth("resolver", "", result);
    set_title("resolver");
    const wire::Found found = look_up(uid, gid);
    const ByteView bytes = wire::encode(found);
    const bool is_told = write(up, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
    _exit(status(is_told ? ExitCode::finished : ExitCode::broken_peer));
}

} // namespace

Result start_resolver(Resolver &resolver, uid_t uid, gid_t gid, std::int64_t deadline_ms,
                      const IdentitySegments &segments) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return failed(Step::make_channel);
    os::Fd reading{ends[0]};
    const os::Fd writing{ends[1]};
    if (fcntl(reading.get(), F_SETFL, O_NONBLOCK) != 0) return failed(Step::make_channel);
    const pid_t master = getpid();
    // A signal for the child must not meet the master's handlers in it.
    const os::SignalsBlocked blocked;
    const pid_t pid = fork();
    if (pid < 0) return failed(Step::fork_child);
    if (pid == 0) {
        httpd::note_forked();
        if (const Result left = segments.leave(); !left.ok()) fail_at_birth("resolver", "", left);
        run_resolver(writing.get(), uid, gid, master);
    }
    resolver.pid = pid;
    resolver.up = reading.release();
    resolver.uid = uid;
    resolver.gid = gid;
    resolver.deadline_ms = deadline_ms;
    return success;
}

// At most PIPE_BUF, in one write: a read has it whole.
Heard hear(const Resolver &resolver, wire::Found &found) {
    std::array<std::uint8_t, sizeof(wire::Found)> bytes;
    const ssize_t count = read(resolver.up, bytes.data(), bytes.size());
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return Heard::not_yet;
    const ByteView message{bytes.data(), count < 0 ? 0 : static_cast<std::size_t>(count)};
    if (wire::recognise(message, wire::Peer::resolver, wire::Peer::master) != wire::Type::found) return Heard::nothing;
    found = wire::decode<wire::Found>(message);
    found.name.back() = '\0';
    return Heard::answer;
}

void dismiss(Resolver &resolver) {
    if (resolver.pid != 0) os::signal_child(resolver.pid, SIGKILL);
    if (resolver.up >= 0) close(resolver.up);
    resolver.up = -1;
}

void forget(Resolver &resolver) {
    resolver.pid = 0;
    dismiss(resolver);
}

} // namespace itk2::role
