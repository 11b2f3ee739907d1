// What it is: see scribe.h. Runs as: the spares' account, without a capability: with what it was given open, it needs none.
// Trusts: the master. Distrusts: what comes through the pipes, which it carries and never reads.
#include "role/scribe.h"

#include "httpd/log.h"
#include "httpd/serving.h"
#include "httpd/settings.h"
#include "os/bystander.h"
#include "os/clock.h"
#include "os/line_relay.h"
#include "os/manifest.h"
#include "os/process.h"
#include "role/birth.h"
#include "role/title.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <csignal>

namespace itk2::role {
namespace {

// Writers go on meanwhile: what they write is then carried at once, and nobody is woken for each line.
constexpr timespec nap{0, 5'000'000};
constexpr std::int64_t last_patience_ms = 500;

Result settle_down() {
    // The service's own signal is for the master, which ends this process when nobody writes any more.
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGWINCH, SIGPIPE}) signal(number, SIG_IGN);
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files); // with fewer, fewer writers are taken
    }
    return success;
}

// False when the master is gone, or has closed the channel.
bool take_writers(int channel, os::LineRelay &relay) {
    for (;;) {
        wire::Received received;
        Result result = wire::receive_down(channel, received);
        if (result.error == EAGAIN || result.error == EINTR) return true;
        if (result.step == Step::peer_closed) return false;
        if (result.ok() &&
            wire::recognise(received.view(), wire::Peer::master, wire::Peer::scribe) != wire::Type::writer)
            result = refused(Step::protocol);
        if (result.ok()) result = relay.add(std::move(received.descriptors[0]), std::move(received.descriptors[1]));
        if (!result.ok()) fail_at_birth("scribe", "", result);
    }
}

} // namespace

void run_scribe(wire::LowerEnd channel, pid_t master) {
    httpd::note_forked();
    const httpd::Settings &settings = httpd::settings();
    const std::array kept = {0, 1, 2, channel.down.get()};
    channel.up.reset();
    set_title("scribe");
    os::LineRelay relay;
    Result result = os::become_bystander(kept, settings.spare_uid, settings.spare_gid, master);
    if (result.ok()) result = settle_down();
    if (result.ok() && fcntl(channel.down.get(), F_SETFL, O_NONBLOCK) != 0) result = failed(Step::make_channel);
    if (result.ok()) result = relay.open(channel.down.get());
    if (!result.ok()) fail_at_birth("scribe", "", result);
    for (;;) {
        const os::LineRelay::Turn turn = relay.turn(-1);
        if (turn.also_ready && !take_writers(channel.down.get(), relay)) break;
        if (!turn.also_ready) nanosleep(&nap, nullptr);
    }
    // Whoever wrote is no more: what is there is all. A daemon that a site has left behind may write for ever.
    const std::int64_t deadline_ms = os::monotonic_ms() + last_patience_ms;
    while (relay.turn(0).moved && os::monotonic_ms() < deadline_ms) {}
    relay.finish();
    _exit(status(ExitCode::finished));
}

} // namespace itk2::role
