// What it is: a child of the pre-parse pool: drops root at birth, keeps CAP_SETUID and CAP_SETGID, waits for one order.
// Runs as: the spares' account. Trusts: the master.
// Never does: read a byte that came from a client; go on after a step that failed.
#include "role/spare.h"
#include "httpd/log.h"
#include "httpd/serving.h"
#include "httpd/settings.h"
#include "os/credentials.h"
#include "os/memory_need.h"
#include "os/process.h"
#include "role/birth.h"
#include "role/handed.h"
#include "role/own_logs.h"
#include "role/title.h"
#include "role/worker.h"

#include <unistd.h>

#include <array>

namespace itk2::role {
namespace {

void drop_root(pid_t master, std::uint64_t bounding) {
    const httpd::Settings &settings = httpd::settings();
    Result result = os::start_session();
    if (result.ok() && settings.started_as_root)
        result = os::become_spare(settings.spare_uid, settings.spare_gid, master, bounding);
    else if (result.ok())
        result = os::become_unprivileged(master);
    if (!result.ok()) fail_at_birth("spare", "", result);
}

Result take_order(wire::Received &received, const IdentitySegments &segments) {
    const auto order = wire::decode<wire::Order>(received.view());
    Parts parts;
    if (httpd::settings().started_as_root) parts.page_of = order.slot;
    parts.sees_all = parts.counters = (order.header.flags & wire::Order::sees_all) != 0;
    parts.fills = (order.header.flags & wire::Order::fills) != 0;
    return take_handed(received, parts, segments);
}

wire::Order await_order(const wire::LowerEnd &channel, OwnLogs &logs, const IdentitySegments &segments) {
    for (;;) {
        wire::Received received;
        Result result;
        do result = wire::receive_down(channel.down.get(), received);
        while (result.error == EINTR);
        if (result.step == Step::peer_closed) _exit(status(ExitCode::finished));
        if (!result.ok()) fail_at_birth("spare", "", result);
        const auto type = wire::recognise(received.view(), wire::Peer::master, wire::Peer::spare);
        if (type == wire::Type::order)
            result = take_order(received, segments);
        else
            result = type == wire::Type::logs ? logs.take(received) : refused(Step::protocol);
        if (!result.ok()) fail_at_birth("spare", "", result);
        if (type == wire::Type::order) return wire::decode<wire::Order>(received.view());
    }
}

void become(const plan::Identity &identity, pid_t master, std::uint64_t bounding) {
    const os::Ids ids{identity.uid, identity.gid, identity.groups};
    const Result result =
        httpd::settings().started_as_root ? os::become_identity(ids, master, bounding) : os::verify_unprivileged();
    if (!result.ok()) fail_at_birth("worker", identity.name, result);
}

} // namespace

void run_spare(wire::LowerEnd channel, pid_t master, IdentitySegments &segments, bool set_uid_programs) {
    httpd::note_forked();
    Result result = segments.leave();
    if (result.ok()) result = segments.settle();
    const std::array kept = {channel.down.get(), channel.up.get()};
    if (result.ok()) result = hold_manifest(kept);
    if (result.ok()) result = os::be_ended_before_parent();
    std::uint64_t bounding = 0;
    if (result.ok() && set_uid_programs) result = os::read_bounding_set(bounding);
    if (!result.ok()) fail_at_birth("spare", "", result);
    drop_root(master, bounding);
    set_title("spare");

    OwnLogs logs;
    const wire::Order order = await_order(channel, logs, segments);
    if (!httpd::is_identity(order.identity)) fail_at_birth("spare", "", refused(Step::protocol));
    const plan::Identity identity = httpd::identity(order.identity);
    if (result = logs.settle(order.identity); !result.ok()) fail_at_birth("worker", identity.name, result);
    become(identity, master, bounding);
    const httpd::Privileges privileges = httpd::privileges_of(order.identity);
    if (privileges.set_uid_programs != set_uid_programs)
        fail_at_birth("worker", identity.name, refused(Step::protocol));
    if (privileges.no_new_privileges) result = os::forbid_new_privileges();
    if (!result.ok()) fail_at_birth("worker", identity.name, result);
    set_title("worker", identity.name);

    end_on_stop(channel);
    result = limit_own_files(order.identity);
    if (result.ok()) result = httpd::begin_serving(order.slot, order.identity, identity);
    // A module's child_init may have undone it.
    if (result.ok()) result = os::forbid_dumps();
    if (result.ok()) result = os::arm_parent_death(master);
    if (!result.ok()) fail_at_birth("worker", identity.name, result);
    run_worker(std::move(channel));
}

} // namespace itk2::role
