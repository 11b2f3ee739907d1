// What it is: every line the server writes to the error log: a stable id, a level, the words.
// OPERATIONS.md says for each id what to do; a guard holds the two together.
#pragma once

#include <cstdint>
#include <iterator>

namespace itk2::httpd {

enum class LogId : std::uint8_t {
    listener_started,
    listener_died,
    listener_not_ready,
    listener_not_started,
    listener_unresponsive,
    listener_broke_protocol,
    spare_not_forked,
    spare_died,
    spares_throttled,
    parser_not_forked,
    parser_died,
    parsers_throttled,
    parser_broke_protocol,
    ask_refused,
    not_granted,
    resolver_not_started,
    parsers_not_possible,
    parsers_confined,
    parsers_unconfined,
    thread_in_parser,
    worker_died,
    workers_throttled,
    worker_broke_protocol,
    worker_not_ordered,
    step_failed,
    generation_refused,
    max_clients_vhost,
    queue_full,
    queue_deadline,
    shed_idle,
    accept_failed,
    descriptors_short,
    hints_off,
    table_not_made,
    misdirected,
    undecided,
    wish_failed,
    account_not_looked_up,
    one_process_identity,
    one_process_cannot_parse,
    stopping,
    stopping_gracefully,
    restarting,
    restarting_gracefully,
    children_killed,
    configured,
    protections,
    not_detached,
    no_sockets,
    sockets_not_ready,
    other_version,
    other_itk,
    no_default_identity,
    identity_not_found,
    own_account_refused,
    own_account_kept,
    uid_refused,
    gid_refused,
    group_refused,
    reserved_refused,
    listener_program_refused,
    number_mended,
    privilege_missing,
    not_root,
    no_proc,
    chroot_refused,
    capabilities_always,
    document_root_refused,
    document_root_missing,
    suexec_not_loaded,
    groups_refused,
    count_
};

enum class Level : std::uint8_t { alert, error, warning, notice, info, debug };

struct LogLine {
    LogId id;
    const char *code;
    Level level;
    const char *format; // printf's; log()'s arguments in this order
};

inline constexpr LogLine log_lines[] = {
    {LogId::listener_started, "ITK2101", Level::info, "listener %u started (pid %d)"},
    {LogId::listener_died, "ITK2102", Level::error,
     "listener %u (pid %d) ended unexpectedly (%s %d): idle connections are lost, requests being answered are not; "
     "starting another"},
    {LogId::listener_not_ready, "ITK2103", Level::alert,
     "a listener ended, or did not take the configuration within %u seconds; is %s the program installed with this "
     "module?"},
    {LogId::listener_not_started, "ITK2105", Level::alert, "listener %u not started: %s: %s (%d)"},
    {LogId::listener_unresponsive, "ITK2106", Level::error,
     "listener %u (pid %d) does not read its messages (%s): ending it"},
    {LogId::listener_broke_protocol, "ITK2107", Level::error,
     "listener %u (pid %d) sent what no listener sends: ending it"},
    {LogId::spare_not_forked, "ITK2201", Level::error, "no spare: %s: %s (%d)"},
    {LogId::spare_died, "ITK2202", Level::error, "spare (pid %d) ended before it was ordered (%s %d)"},
    {LogId::spares_throttled, "ITK2203", Level::error, "spares end at birth: the next one in %u ms"},
    {LogId::parser_not_forked, "ITK2204", Level::error, "no parser: %s: %s (%d)"},
    {LogId::parser_died, "ITK2205", Level::error, "parser (pid %d) ended unexpectedly (%s %d)"},
    {LogId::parsers_throttled, "ITK2206", Level::error, "parsers end at birth: the next one in %u ms"},
    {LogId::parser_broke_protocol, "ITK2207", Level::error, "parser (pid %d) sent what no parser sends: ending it"},
    {LogId::ask_refused, "ITK2208", Level::error, "parser (pid %d): request not served as uid %u, gid %u: %s"},
    {LogId::not_granted, "ITK2209", Level::error, "parser (pid %d) could not be made %s: %s: %s (%d)"},
    {LogId::resolver_not_started, "ITK2210", Level::error, "the account database can't be asked: %s: %s (%d)"},
    {LogId::parsers_not_possible, "ITK2211", Level::alert,
     "the configuration sets identities where only a parser can tell them, and parsers need user namespaces, which do "
     "not work here: %s: %s (%d); allow them, or set identities at <VirtualHost> level only, or choose the weaker "
     "ParserConfinement capabilities"},
    {LogId::parsers_confined, "ITK2212", Level::notice,
     "parsers uid %u, each with SETUID and SETGID only in a user namespace of its own"},
    {LogId::parsers_unconfined, "ITK2213", Level::warning,
     "parsers uid %u read requests with CAP_SETUID and CAP_SETGID (ParserConfinement capabilities): who takes one over "
     "can be any user"},
    {LogId::thread_in_parser, "ITK2214", Level::alert,
     "%s starts a thread in its child_init, which would keep a parser's capabilities: it can't be loaded where "
     "identities "
     "are set in Directory, Location, Files or If, or by expression; remove it, or set identities at <VirtualHost> "
     "level"},
    {LogId::worker_died, "ITK2301", Level::error, "worker of %s (pid %d) ended unexpectedly (%s %d)"},
    {LogId::workers_throttled, "ITK2302", Level::error, "workers of %s end at birth: the next one in %u ms"},
    {LogId::worker_broke_protocol, "ITK2303", Level::error,
     "worker of %s (pid %d) sent what no worker may send: ending it"},
    {LogId::worker_not_ordered, "ITK2304", Level::error, "worker of %s not ordered: %s: %s (%d)"},
    {LogId::step_failed, "ITK2401", Level::alert, "%s %s (pid %d): step %s failed: %s (%d); nothing was served"},
    {LogId::generation_refused, "ITK2108", Level::error, "listener %u not told of the new configuration: %s: %s (%d)"},
    {LogId::max_clients_vhost, "ITK2501", Level::error, "MaxClientsVhost reached for %s:%u, refusing client."},
    {LogId::queue_full, "ITK2502", Level::error,
     "queue of %s is full: clients get 503; see PoolQueueLimit, MaxRequestWorkers, PoolMaxWorkers"},
    {LogId::queue_deadline, "ITK2503", Level::error,
     "no worker of %s became free within PoolQueueTimeout: clients get 503; see MaxRequestWorkers, PoolMaxWorkers"},
    {LogId::shed_idle, "ITK2504", Level::warning,
     "out of descriptors: closed %u idle connections, oldest first, to accept new ones; raise the limit of open files"},
    {LogId::accept_failed, "ITK2505", Level::error, "accept failed: %s (%u)"},
    {LogId::descriptors_short, "ITK2506", Level::warning,
     "the limit of open files is %u: fewer connections than that can be held; raise it"},
    {LogId::hints_off, "ITK2507", Level::notice,
     "identities at %s:%u depend on more than host and path: nothing is learnt there any more, and a parser reads "
     "every "
     "new connection"},
    {LogId::table_not_made, "ITK2109", Level::alert, "no route table: %s: %s (%d)"},
    {LogId::misdirected, "ITK2601", Level::info,
     "request for %s:%u belongs to another identity than this worker's (%s): 421"},
    {LogId::undecided, "ITK2602", Level::error,
     "request for %s:%u reached a handler of another identity's worker (%s): stopped with 500"},
    {LogId::wish_failed, "ITK2603", Level::error, "request for %s:%u gets a 500: %s: %s"},
    {LogId::account_not_looked_up, "ITK2604", Level::error,
     "request for %s:%u gets a 503: %s: the account database did not answer: %s; see NameLookupTimeout"},
    {LogId::one_process_identity, "ITK2701", Level::notice,
     "-X: this process serves %s and no other identity from now on"},
    {LogId::one_process_cannot_parse, "ITK2702", Level::alert,
     "-X: one process can't serve identities that only a parser can tell (in Directory, Location, Files, If, or by "
     "expression); start without -X"},
    {LogId::stopping, "ITK2001", Level::notice, "caught SIGTERM, shutting down"},
    {LogId::stopping_gracefully, "ITK2002", Level::notice, "caught SIGWINCH, shutting down gracefully"},
    {LogId::restarting, "ITK2003", Level::notice, "SIGHUP received.  Attempting to restart"},
    {LogId::restarting_gracefully, "ITK2004", Level::notice, "Graceful restart requested, doing restart"},
    {LogId::children_killed, "ITK2005", Level::warning, "%u processes did not end when told to and were killed"},
    {LogId::configured, "ITK2006", Level::notice, "%s configured -- resuming normal operations"},
    {LogId::protections, "ITK2007", Level::notice, "%u identities, %u listeners (uid %u), spares uid %u, %s"},
    {LogId::not_detached, "ITK2008", Level::alert, "could not go to the background: %s"},
    {LogId::no_sockets, "ITK2009", Level::alert, "no listening sockets available, shutting down; is Listen there?"},
    {LogId::sockets_not_ready, "ITK2010", Level::alert,
     "the listening sockets could not be set up for %d listeners: %s"},
    {LogId::other_version, "ITK2801", Level::alert,
     "another version of this module started this server; stop it and start it again"},
    {LogId::other_itk, "ITK2802", Level::alert,
     "the module %s, which changes identities itself, is loaded too; remove its LoadModule line (a2dismod)"},
    {LogId::no_default_identity, "ITK2803", Level::alert,
     "%s has no AssignUserID, and User or Group is not set; set them"},
    {LogId::identity_not_found, "ITK2804", Level::alert, "the identity of %s can't be found: %s"},
    {LogId::own_account_refused, "ITK2805", Level::alert, "%s"},
    {LogId::own_account_kept, "ITK2806", Level::warning,
     "the accounts of listener, spares and parsers (uid %u, uid %u, uid %u) stay until the server is stopped and "
     "started"},
    {LogId::uid_refused, "ITK2807", Level::alert,
     "%s: %s %s has uid %u, outside LimitUIDRange %u %u; assign another user, or widen the range"},
    {LogId::gid_refused, "ITK2808", Level::alert,
     "%s: %s %s has group %u, outside LimitGIDRange %u %u; assign another group, or widen the range"},
    {LogId::group_refused, "ITK2809", Level::alert,
     "%s: the user %s is also in group %u, outside LimitGIDRange %u %u; take the user out of that group, or widen the "
     "range"},
    {LogId::reserved_refused, "ITK2810", Level::alert,
     "%s: %s %s (uid %u, gid %u) has the uid or a group of %s (%u:%u), which no site may have; assign another"},
    {LogId::listener_program_refused, "ITK2811", Level::alert, "%s"},
    {LogId::number_mended, "ITK2812", Level::warning, "%s of %u %s, using %u"},
    {LogId::privilege_missing, "ITK2813", Level::alert,
     "this server lacks %s; give it to the service or the container"},
    {LogId::not_root, "ITK2814", Level::alert,
     "%s: %s %s needs CAP_SETUID and CAP_SETGID, and the server was started as uid %u; start it as root"},
    {LogId::no_proc, "ITK2815", Level::alert, "the own capabilities can't be read from /proc: %s; mount it"},
    {LogId::chroot_refused, "ITK2816", Level::alert,
     "ChrootDir is not supported: every process proves through /proc what it may do; remove it"},
    {LogId::capabilities_always, "ITK2817", Level::warning,
     "EnableCapabilities Off changes nothing: no process that reads a client's bytes has a capability, nor uid 0 to "
     "fall back to; remove the line"},
    {LogId::document_root_refused, "ITK2818", Level::alert, "%s: IdentityMode owner: whose %s is can't be told: %s"},
    {LogId::document_root_missing, "ITK2819", Level::warning,
     "%s: IdentityMode owner: there is no directory %s, so it runs as User and Group until the configuration is read "
     "again"},
    {LogId::suexec_not_loaded, "ITK2820", Level::alert,
     "%s: IdentityMode suexec takes SuexecUserGroup, and mod_suexec is not loaded; load it, or choose another mode"},
    {LogId::groups_refused, "ITK2821", Level::alert,
     "%s: RGroups (%s) names groups for one user, and here each request may have another; remove it, or set RGroups in "
     "the virtual hosts it is for"},
};

static_assert(std::size(log_lines) == static_cast<std::size_t>(LogId::count_));

} // namespace itk2::httpd
