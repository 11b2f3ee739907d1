// What it is: a process that reads a request to find out whose it is, and then becomes that, once, if the master grants it.
// Runs as: the parsers' account, SETUID and SETGID only in a user namespace of its own with empty id maps.
// Trusts: the master. Distrusts: itself, from the first byte it has read: what it may become is the kernel's to say.
#include "role/parser.h"

#include "httpd/board.h"
#include "httpd/log.h"
#include "httpd/owners.h"
#include "httpd/serving.h"
#include "httpd/settings.h"
#include "os/allowance.h"
#include "os/credentials.h"
#include "os/id_map.h"
#include "os/memory_need.h"
#include "os/process.h"
#include "role/birth.h"
#include "role/handed.h"
#include "role/own_logs.h"
#include "role/title.h"
#include "role/worker.h"

#include <array>

namespace itk2::role {
namespace {

bool is_confined() { return httpd::settings().parser_confinement == httpd::Confinement::name_space; }

// Until it has an identity nothing that it writes is anybody else's to read.
Result hold_private(IdentitySegments &segments) {
    const Result result = segments.take_private();
    return result.ok() ? segments.settle() : result;
}

Result confine(pid_t master) {
    const httpd::Settings &settings = httpd::settings();
    if (const Result result = os::start_session(); !result.ok()) return result;
    return is_confined() ? os::become_parser(settings.parser_uid, settings.parser_gid, master)
                         : os::become_spare(settings.parser_uid, settings.parser_gid, master);
}

// After the modules' code has run in it.
Result verify_confined(pid_t master) {
    const httpd::Settings &settings = httpd::settings();
    // Another thread would keep the capabilities that this one drops.
    if (const Result result = os::verify_one_thread(); !result.ok()) return result;
    if (const Result result = os::forbid_dumps(); !result.ok()) return result;
    if (const Result result = os::arm_parent_death(master); !result.ok()) return result;
    return is_confined() ? os::verify_parser() : os::verify_spare(settings.parser_uid, settings.parser_gid);
}

wire::Ask ask_for(const plan::Wish &wish) {
    wire::Ask message;
    message.header.code = static_cast<std::uint8_t>(wish.nice + wire::Ask::nice_zero);
    message.vhost = wish.vhost;
    if (wish.key != no_identity) {
        message.header.flags = wire::Ask::by_key;
        message.a = number(wish.key);
    } else {
        message.a = wish.uid;
        message.b = wish.gid;
    }
    if (wish.may_change) message.header.flags |= wire::Ask::may_change;
    return message;
}

// One parser a process.
class Parser {
  public:
    Parser(wire::LowerEnd link, pid_t master, const os::Allowance &allowance, const IdentitySegments &segments)
        : link_(std::move(link)), master_(master), allowance_(allowance), segments_(segments) {}

    // At its birth: from then on it writes to the server's own logs.
    Result take_birth_logs();

    static httpd::Became ask(void *self, const plan::Wish &wish) { return static_cast<Parser *>(self)->become(wish); }

  private:
    httpd::Became become(const plan::Wish &wish);
    wire::Type await_message(wire::Received &received);
    void await_grant();
    void take_grant(const plan::Wish &wish);

    wire::LowerEnd link_;
    OwnLogs logs_;
    pid_t master_;
    os::Allowance allowance_; // as it was before any other process had this one's account
    const IdentitySegments &segments_;
    wire::Grant grant_;
    std::array<gid_t, wire::Grant::max_groups> groups_; // as long as the process: the identity's
};

// Either there is a message afterwards, or this process ends.
wire::Type Parser::await_message(wire::Received &received) {
    Result result;
    do result = wire::receive_down(link_.down.get(), received);
    while (result.error == EINTR);
    if (result.step == Step::peer_closed) _exit(status(ExitCode::finished));
    if (!result.ok()) fail_at_birth("parser", "", result);
    const auto type = wire::recognise(received.view(), wire::Peer::master, wire::Peer::parser);
    if (!type) fail_at_birth("parser", "", refused(Step::protocol));
    return *type;
}

Result Parser::take_birth_logs() {
    for (bool is_last = false; !is_last;) {
        wire::Received received;
        if (await_message(received) != wire::Type::parser_logs) return refused(Step::protocol);
        is_last = (wire::decode<wire::ParserLogs>(received.view()).header.flags & wire::Logs::last) != 0;
        if (const Result result = logs_.take(received); !result.ok()) return result;
    }
    return logs_.settle(no_identity);
}

// The logs of what it is to become come before.
void Parser::await_grant() {
    wire::Received received;
    while (await_message(received) == wire::Type::parser_logs)
        if (const Result result = logs_.take(received); !result.ok()) fail_at_birth("parser", "", result);
    if (wire::recognise(received.view(), wire::Peer::master, wire::Peer::parser) != wire::Type::grant)
        fail_at_birth("parser", "", refused(Step::protocol));
    grant_ = wire::decode<wire::Grant>(received.view());
    const auto has = [this](std::uint16_t flag) {
        return (grant_.header.flags & flag) != 0;
    };
    const Parts parts{{}, has(wire::Grant::sees_all), has(wire::Grant::counters)};
    if (const Result result = take_handed(received, parts, segments_); !result.ok())
        fail_at_birth("parser", "", result);
    grant_.name.back() = '\0';
}

httpd::Became Parser::become(const plan::Wish &wish) {
    if (!wire::send_up(link_.up.get(), wire::encode(ask_for(wish))).ok()) _exit(status(ExitCode::finished));
    await_grant();
    switch (static_cast<wire::Verdict>(grant_.header.code)) {
    case wire::Verdict::granted: take_grant(wish); return httpd::Became::yes;
    case wire::Verdict::not_allowed: return httpd::Became::refused;
    case wire::Verdict::not_found_in_time:
    case wire::Verdict::no_room: return httpd::Became::later;
    }
    fail_at_birth("parser", "", refused(Step::protocol));
}

void Parser::take_grant(const plan::Wish &wish) {
    for (std::size_t i = 0; i < grant_.group_count; i++) groups_[i] = grant_.groups[i];
    const plan::Identity identity{
        grant_.uid, grant_.gid, {groups_.data(), grant_.group_count}, wish.nice, grant_.name.data()};
    const os::Ids ids{identity.uid, identity.gid, identity.groups};
    Result result = is_confined() ? os::become_granted(ids, master_) : os::become_identity(ids, master_);
    if (result.ok() && httpd::privileges_of(grant_.identity).no_new_privileges) result = os::forbid_new_privileges();
    // Other parsers could take from it until now.
    if (identity.nice != 0) allowance_.nice = identity.nice; // the master's doing
    if (result.ok()) result = os::verify_allowance(allowance_);
    if (result.ok()) result = limit_own_files(grant_.identity);
    if (!result.ok()) fail_at_birth("parser", identity.name, result);
    set_title("worker", identity.name);
    httpd::note_identity(grant_.identity, identity);
    link_ = {};
}

} // namespace

void try_birth(pid_t master, IdentitySegments &segments) {
    httpd::note_forked();
    Result result = hold_private(segments);
    if (result.ok()) result = confine(master);
    if (result.ok()) result = httpd::begin_parsing(Slot{0}, {});
    if (result.ok()) result = verify_confined(master);
    if (!result.ok()) fail_at_birth("parser", "", result);
    _exit(status(ExitCode::finished));
}

void run_parser(wire::LowerEnd channel, wire::LowerEnd link, Slot slot, os::Fd page, pid_t master,
                IdentitySegments &segments) {
    httpd::note_forked();
    if (const Result result = hold_private(segments); !result.ok()) fail_at_birth("parser", "", result);
    if (page.is_open())
        if (const Result result = httpd::take_page(slot, page.get()); !result.ok()) fail_at_birth("parser", "", result);
    page.reset();
    os::Allowance allowance;
    if (const Result result = os::read_allowance(allowance); !result.ok()) fail_at_birth("parser", "", result);
    const std::array kept = {channel.down.get(), channel.up.get(), link.down.get(), link.up.get()};
    if (const Result result = hold_manifest(kept); !result.ok()) fail_at_birth("parser", "", result);
    if (const Result result = os::be_ended_before_parent(); !result.ok()) fail_at_birth("parser", "", result);
    Parser parser(std::move(link), master, allowance, segments);
    if (const Result result = parser.take_birth_logs(); !result.ok()) fail_at_birth("parser", "", result);
    set_title("teller"); // its child's
    if (const Result result = httpd::begin_owner_lookups(); !result.ok()) fail_at_birth("parser", "", result);
    if (const Result result = confine(master); !result.ok()) fail_at_birth("parser", "", result);
    set_title("parser");

    end_on_stop(channel);
    Result result = httpd::begin_parsing(slot, {Parser::ask, &parser});
    if (result.ok()) result = verify_confined(master);
    if (!result.ok()) fail_at_birth("parser", "", result);
    run_worker(std::move(channel));
}

} // namespace itk2::role
