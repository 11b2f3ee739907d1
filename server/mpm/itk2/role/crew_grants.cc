// What it is: what becomes of a parser's wish: checked against the configuration, looked up, granted once or refused.
// Runs as: the master. Distrusts: every number a parser sends: it may be in the hands of who sent it its bytes.
#include "role/crew.h"

#include "httpd/grants.h"
#include "httpd/lifecycle.h"
#include "httpd/log.h"
#include "httpd/settings.h"
#include "os/clock.h"
#include "os/credentials.h"
#include "os/id_map.h"
#include "os/process.h"
#include "role/handed.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace itk2::role {
namespace {

using wire::Verdict;

bool is_namespaced() { return httpd::settings().parser_confinement == httpd::Confinement::name_space; }

plan::Wish wish_of(const wire::Ask &ask) {
    plan::Wish wish;
    wish.nice = static_cast<int>(ask.header.code) - wire::Ask::nice_zero;
    wish.vhost = ask.vhost;
    wish.may_change = (ask.header.flags & wire::Ask::may_change) != 0;
    if ((ask.header.flags & wire::Ask::by_key) != 0) {
        wish.key = IdentityKey{ask.a};
    } else {
        wish.uid = ask.a;
        wish.gid = ask.b;
    }
    return wish;
}

const char *words(plan::Refusal refusal) {
    switch (refusal) {
    case plan::Refusal::uid_out_of_range: return "the uid is outside LimitUIDRange";
    case plan::Refusal::gid_out_of_range: return "the gid is outside LimitGIDRange";
    case plan::Refusal::group_out_of_range: return "the user is in a group outside LimitGIDRange";
    case plan::Refusal::listener_account: return "that is the listener's account";
    case plan::Refusal::spare_account: return "that is the spares' account";
    case plan::Refusal::parser_account: return "that is the parsers' account";
    case plan::Refusal::no_id: return "that is no id";
    case plan::Refusal::none: break;
    }
    return "";
}

} // namespace

const GrantRules *Crew::rules_of(const Child &parser) const {
    for (const GrantRules &rules : memory_.rules)
        if (rules.are_of(parser.generation)) return &rules;
    return nullptr;
}

void Crew::hear_parser(Child &parser) {
    std::array<std::uint8_t, wire::up_size> bytes;
    const ssize_t count = read(parser.up, bytes.data(), bytes.size());
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    const ByteView message{bytes.data(), count < 0 ? 0 : static_cast<std::size_t>(count)};
    if (message.empty()) { // its end: reap() sees to the rest
        close(parser.up);
        parser.up = -1;
        return;
    }
    // One wish, whole or not at all: an honest parser does not ask again after a refusal.
    if (parser.is_asking || parser.was_refused ||
        wire::recognise(message, wire::Peer::parser, wire::Peer::master) != wire::Type::ask) {
        httpd::log(httpd::LogId::parser_broke_protocol, static_cast<int>(parser.pid));
        return end_parser(parser);
    }
    parser.wish = wish_of(wire::decode<wire::Ask>(message));
    parser.is_asking = true;
    answer(parser, os::monotonic_ms());
}

void Crew::answer(Child &parser, std::int64_t now_ms) {
    const GrantRules *rules = rules_of(parser);
    const plan::Wish &wish = parser.wish;
    if (rules == nullptr || !rules->allow_nice(wish.nice))
        return refuse(parser, Verdict::not_allowed, "the configuration does not say so");
    if (wish.key != no_identity) {
        if (!rules->allow(wish.key)) return refuse(parser, Verdict::not_allowed, "the configuration does not say so");
        plan::Identity identity = httpd::identity(wish.key);
        identity.nice = wish.nice;
        return grant(parser, identity);
    }
    const plan::GrantRule rule = rules->rule(wish.vhost);
    if (!rule.takes_ids) return refuse(parser, Verdict::not_allowed, "the configuration does not say so");
    const gid_t own[] = {wish.gid};
    const plan::Identity bare{wish.uid, wish.gid, own, wish.nice, ""};
    const plan::Refusal refusal = plan::check(bare, rule.uids, rule.gids, httpd::reserved_accounts());
    if (refusal != plan::Refusal::none) return refuse(parser, Verdict::not_allowed, words(refusal));
    if (const plan::KnownAccount *known = memory_.accounts->find(wish.uid, wish.gid, now_ms))
        return grant_known(parser, *known, rule);
    look_up(wish.uid, wish.gid, now_ms);
}

void Crew::grant_known(Child &parser, const plan::KnownAccount &known, const plan::GrantRule &rule) {
    if (!known.exists && !rule.takes_unknown_ids)
        return refuse(parser, Verdict::not_allowed,
                      "no account has that uid; LimitUIDRange, where it is written, allows such");
    if (known.identity == no_identity) return refuse(parser, Verdict::no_room, "too many groups, or identities");
    plan::Identity identity = httpd::identity(known.identity);
    const plan::Refusal refusal = plan::check(identity, rule.uids, rule.gids, httpd::reserved_accounts());
    if (refusal != plan::Refusal::none) return refuse(parser, Verdict::not_allowed, words(refusal));
    identity.nice = parser.wish.nice;
    grant(parser, identity);
}

void Crew::grant(Child &parser, const plan::Identity &identity) {
    const IdentityKey key = httpd::enter_identity(identity);
    if (key == no_identity || identity.groups.size() > wire::Grant::max_groups ||
        !memory_.staffing.reserve(memory_.listener_count, httpd::identity_count()) ||
        !memory_.pools.reserve(httpd::identity_count()))
        return refuse(parser, Verdict::no_room, "too many groups, or identities");
    Result result = memory_.pools.place(key, parser.pid);
    if (result.ok() && is_namespaced())
        result = os::write_grant(parser.pid, {identity.uid, identity.gid, identity.groups});
    // Not its own to do: to go below 0 is root's.
    if (result.ok() && identity.nice != 0) result = os::set_nice(parser.pid, identity.nice);
    if (!result.ok()) {
        httpd::log(httpd::LogId::not_granted, static_cast<int>(parser.pid), identity.name, step_name(result.step),
                   httpd::error_words(result), result.error);
        return end_parser(parser);
    }
    tell_identified(parser, key);

    wire::Grant message;
    message.header.code = static_cast<std::uint8_t>(Verdict::granted);
    message.identity = key;
    message.uid = identity.uid;
    message.gid = identity.gid;
    message.group_count = static_cast<std::uint32_t>(identity.groups.size());
    snprintf(message.name.data(), message.name.size(), "%s", identity.name);
    std::copy(identity.groups.begin(), identity.groups.end(), message.groups.begin());
    Handed handed;
    if (sees_all(key)) {
        message.header.flags |= wire::Grant::sees_all;
        handed.add(memory_.board.folder);
    }
    // Others' virtual hosts are not those it knows.
    if (sees_all(key) && parser.generation == httpd::generation()) {
        message.header.flags |= wire::Grant::counters;
        handed.add(listeners_memory_->counters_seen.get());
    }
    result = give_granted_logs(parser, key);
    if (result.ok()) result = wire::send_down(parser.down, wire::encode(message), handed.all());
    if (!result.ok()) { // it has ended, or ends with its link
        httpd::log(httpd::LogId::not_granted, static_cast<int>(parser.pid), identity.name, step_name(result.step),
                   httpd::error_words(result), result.error);
    }
    parser.since_ms = os::monotonic_ms();
    memory_.children.identify(parser, key);
    note_parsers_are_born();
}

// Before the parser itself hears of it: what it reports afterwards is a worker's.
void Crew::tell_identified(const Child &parser, IdentityKey key) {
    wire::Identified message;
    if (parser.wish.key == no_identity) message.header.flags |= wire::Identified::passing;
    if (parser.wish.may_change) message.header.flags |= wire::Identified::no_hint;
    message.slot = parser.slot;
    message.worker = parser.worker;
    message.identity = key;
    tell_listener_of(parser, wire::encode(message));
}

void Crew::refuse(Child &parser, Verdict verdict, const char *why) {
    const plan::Wish &wish = parser.wish;
    const bool is_by_key = wish.key != no_identity && httpd::is_identity(wish.key);
    const plan::Identity named = is_by_key ? httpd::identity(wish.key) : plan::Identity{};
    httpd::log(httpd::LogId::ask_refused, static_cast<int>(parser.pid), is_by_key ? named.uid : wish.uid,
               is_by_key ? named.gid : wish.gid, why);
    wire::Grant message;
    message.header.code = static_cast<std::uint8_t>(verdict);
    parser.is_asking = false;
    parser.was_refused = true;
    if (!wire::send_down(parser.down, wire::encode(message)).ok()) end_parser(parser);
}

void Crew::end_parser(Child &parser) {
    parser.is_asking = false;
    os::signal_child(parser.pid, SIGKILL);
    if (parser.up >= 0) close(parser.up);
    parser.up = -1;
}

// Who waits for the same account waits for the same resolver; when all are busy, for the next one.
void Crew::look_up(uid_t uid, gid_t gid, std::int64_t now_ms) {
    Resolver *unused = nullptr;
    for (Resolver &resolver : memory_.resolvers) {
        if (resolver.pid == 0) unused = &resolver;
        if (resolver.up >= 0 && resolver.uid == uid && resolver.gid == gid) return;
    }
    if (unused == nullptr) return;
    const Result result =
        start_resolver(*unused, uid, gid, now_ms + httpd::settings().name_lookup_timeout_ms, segments_);
    if (result.ok()) return;
    httpd::log(httpd::LogId::resolver_not_started, step_name(result.step), httpd::error_words(result), result.error);
    refuse_all(uid, gid, "the account database could not be asked");
}

void Crew::refuse_all(uid_t uid, gid_t gid, const char *why) {
    for (Child &child : memory_.children.all())
        if (is_waiting_for(child, uid, gid)) refuse(child, Verdict::not_found_in_time, why);
}

bool Crew::is_waiting_for(const Child &child, uid_t uid, gid_t gid) {
    return child.stage == Stage::parser && child.is_asking && child.wish.key == no_identity && child.wish.uid == uid &&
           child.wish.gid == gid;
}

void Crew::hear_resolver(Resolver &resolver) {
    wire::Found found;
    const Heard heard = role::hear(resolver, found);
    if (heard == Heard::not_yet) return;
    const std::int64_t now_ms = os::monotonic_ms();
    dismiss(resolver);
    if (heard == Heard::nothing || found.error != 0) {
        refuse_all(resolver.uid, resolver.gid,
                   found.error != 0 ? strerror(static_cast<int>(found.error)) : "the account database was not read");
    } else {
        remember(resolver, found, now_ms);
    }
    answer_waiting(now_ms);
}

void Crew::remember(const Resolver &resolver, const wire::Found &found, std::int64_t now_ms) {
    const bool exists = found.header.code == 1;
    char numeral[16];
    snprintf(numeral, sizeof numeral, "#%u", resolver.uid);
    plan::Identity identity{resolver.uid, resolver.gid, {&resolver.gid, 1}, 0, numeral};
    if (exists) {
        identity.name = found.name.data();
        identity.groups = {found.groups.data(), std::min<std::size_t>(found.group_count, found.groups.size())};
    }
    const bool fits = found.group_count <= found.groups.size();
    const IdentityKey key = fits ? httpd::enter_identity(identity) : no_identity;
    // At least for those who wait for it now.
    const std::int64_t kept_ms = std::max(std::int64_t{httpd::settings().name_cache_s} * 1000, std::int64_t{1});
    memory_.accounts->remember({resolver.uid, resolver.gid, exists, key, now_ms + kept_ms});
}

void Crew::answer_waiting(std::int64_t now_ms) {
    for (Child &child : memory_.children.all())
        if (child.stage == Stage::parser && child.is_asking) answer(child, now_ms);
}

void Crew::expire_lookups(std::int64_t now_ms) {
    bool has_room = false;
    for (Resolver &resolver : memory_.resolvers) {
        if (resolver.up < 0 || now_ms < resolver.deadline_ms) continue;
        dismiss(resolver);
        refuse_all(resolver.uid, resolver.gid, "the account database did not answer within NameLookupTimeout");
        has_room = true;
    }
    if (has_room) answer_waiting(now_ms);
}

} // namespace itk2::role
