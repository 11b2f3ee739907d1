// What it is: every message between processes: its number, who may send it to whom, its size, its descriptors.
// A message is the struct's bytes, in one send. Numbers are the machine's own byte order: both ends are one machine.
// Going up (to a process more trusted) every message has up_size bytes and no descriptor.
// Distrusts: whatever goes up; decode() is the only way from bytes to a message.
#pragma once

#include "base/bytes.h"
#include "base/ids.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>

namespace itk2::wire {

enum class Type : std::uint8_t {
    // down: master to spare
    order = 1,
    // down: master to parser
    grant,
    // down: listener to worker
    connection,
    hurry,
    finish,
    // down: master to listener
    sockets,
    generation,
    worker,
    identified,
    gone,
    evict,
    stop,
    // up: worker to listener
    serving,
    report,
    // up: listener to master
    ready,
    want,
    notice,
    broken,
    drained,
    // up: parser to master
    ask,
    // up: resolver to master
    found,
    // down: master to spare
    logs,
    // down: master to parser
    parser_logs,
    // down: master to scribe
    writer,
    // up: listener to master
    started,
};

enum class Peer : std::uint8_t { master, listener, spare, parser, resolver, worker, scribe };

struct Spec {
    Type type;
    const char *name;
    Peer from;
    Peer to;
    std::uint16_t size;
    std::uint8_t min_descriptors;
    std::uint8_t max_descriptors;
};

inline constexpr std::size_t up_size = 16;
inline constexpr std::size_t max_sockets_a_message = 64;
// The longest PROXY protocol header the listener keeps to give again; a connection with a longer one is
// never returned to it.
inline constexpr std::size_t max_replay = 536;

struct Header {
    Type type;
    std::uint8_t code = 0; // meaning depends on the type; 0 where none is named
    std::uint16_t flags = 0;
};

// Become this identity and take this slot. The spare knows the identity's ids since its fork. Descriptors: its slot's page
// of the scoreboard; where it sees all, the folder of these and the listeners' counters; the identity's shared memory, its
// lock files, and what to fill that memory with, where it fills; none at all where nothing is kept apart.
struct Order {
    static constexpr std::uint16_t sees_all = 1; // flag: is shown what others do
    static constexpr std::uint16_t fills = 2;    // flag: that memory is empty; it is filled from the last descriptor
    Header header{Type::order};
    IdentityKey identity;
    Slot slot;
    WorkerId worker;
};

// These are logs you may write to: each descriptor takes the place of the one with its number. Before an order, and any
// number of messages; before a parser reads anything, the last with a flag; before a grant.
struct Logs {
    static constexpr std::uint16_t last = 1; // flag: a parser has what it is born with
    Header header{Type::logs};
    std::uint32_t count = 0;
    std::array<std::uint32_t, max_sockets_a_message> numbers{};
};
struct ParserLogs : Logs {
    ParserLogs() { header.type = Type::parser_logs; }
};

// What comes out of the first descriptor, a pipe, goes to the second: a log.
struct Writer {
    Header header{Type::writer};
    std::uint32_t padding[3] = {};
};

// The answer to ask: become this identity, or don't. After a refusal the parser answers its request with an error, and
// ends its connection. Descriptors: the folder of the scoreboard's pages and the listeners' counters, each with its flag. The
// memory of modules stays its own: what they began in it would be in the way of the identity's.
struct Grant {
    static constexpr std::size_t max_groups = 340; // as many lines as an id map takes
    static constexpr std::uint16_t sees_all = 1;   // flag: is shown what others do
    static constexpr std::uint16_t counters = 2;   // flag: the listeners' counters are with it: those of its generation
    Header header{Type::grant};                    // code: Verdict
    IdentityKey identity = no_identity;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t group_count = 0;
    std::array<char, 32> name{};                  // for the log and the title; cut where it is longer
    std::array<std::uint32_t, max_groups> groups; // sent only as far as group_count
};

enum class Verdict : std::uint8_t {
    granted = 1,
    not_allowed,       // the configuration does not let this request be that; the log says why
    not_found_in_time, // the account database did not answer
    no_room,           // too many identities, or the kernel would not
};

// One client connection; one descriptor. Serve it until you report it.
struct Connection {
    static constexpr std::uint16_t others_wait = 1;    // flag: do not wait for a next request, report at once
    static constexpr std::uint16_t not_returnable = 2; // flag: park it rather than report keep
    static constexpr std::uint16_t may_move = 4; // flag: its next request may be another identity's: leave it to me
    static constexpr std::uint16_t may_tend = 8; // flag: you may report tend
    Header header{Type::connection};
    ConnectionId id;
    std::uint32_t keepalives;      // requests already answered on it
    std::uint16_t replay_length;   // bytes of replay that hold the PROXY header the client sent once
    std::uint16_t head_length = 0; // bytes of the request head that is in the socket; 0: it may be longer, or is none
    std::array<std::uint8_t, max_replay> replay; // sent only as far as replay_length
};

// Others wait for a worker of your pool: report keep as soon as a response is out.
struct Hurry {
    Header header{Type::hurry};
};

// Serve nothing new; close what is parked as it ends, then exit.
struct Finish {
    static constexpr std::uint8_t keep_parked = 0;  // code: parked connections may end in their own time
    static constexpr std::uint8_t close_parked = 1; // code: close parked connections now
    Header header{Type::finish};
};

// A part of the next generation's listening sockets, in the order of the route table's sockets.
struct Sockets {
    Header header{Type::sockets};
    std::uint32_t first; // place of the first of these descriptors
};

// The next generation: its route table, and the memory in which all listeners count their connections. Uses every socket
// sent since the last one.
struct NewGeneration {
    Header header{Type::generation};
    Generation generation;
    std::uint32_t socket_count;
};

// A worker of yours, or, of no_identity, a parser; two descriptors: its channel's sending end, its channel's report end.
struct Worker {
    Header header{Type::worker};
    Slot slot;
    WorkerId worker;
    IdentityKey identity;
    Generation generation;
};

// That parser has been granted this identity: it is a worker from now on, of whatever it holds and of nothing else. It
// is none that you have asked for.
struct Identified {
    static constexpr std::uint16_t passing = 1; // flag: found out for this request, so good as a hint for a while only
    static constexpr std::uint16_t no_hint = 2; // flag: no hint at all
    Header header{Type::identified};
    Slot slot;
    WorkerId worker;
    IdentityKey identity;
};

// That worker is no more: what it held is lost.
struct Gone {
    Header header{Type::gone};
    Slot slot;
    WorkerId worker;
};

// The server is at its limit: let your least recently used idle worker finish.
struct Evict {
    static constexpr std::uint8_t ahead = 1; // code: nobody waits for it yet: only one that holds nothing, or none
    Header header{Type::evict};
    IdentityKey for_identity; // the one in need: not one of its own
};

// Accept no more; end idle connections; report drained once no connection is left.
struct Stop {
    Header header{Type::stop};
};

// I have become my identity and serve from now on.
struct Serving {
    Header header{Type::serving};
    std::uint32_t padding[3] = {};
};

// What became of a connection.
enum class Outcome : std::uint8_t {
    keep = 1, // answered, kept, nothing read beyond: wait for its next request; I have closed mine
    close,    // answered and shut down for writing: drain and close it; I have closed mine
    park,     // answered, kept; its state is mine (TLS): I wait for its next request
    resume,   // a parked connection has a request, or a tended one more than a light one: I am busy with it
    end,      // a parked connection has ended: drain and close it; I have closed mine
    send,     // answered, but its client reads slowly: I send the rest, and report keep, park, close or resume then
    tend, // answered, kept; others wait: I answer its light requests among theirs without a word, until keep or resume
};

struct Report {
    static constexpr std::uint16_t last = 1;        // flag: give me nothing more; I exit when told to finish
    static constexpr std::uint16_t misdirected = 2; // flag: the request it was sent with was another identity's
    Header header{Type::report};                    // code: Outcome
    ConnectionId id;
    std::uint32_t keepalives;
};

// The generation is in force: sockets watched, table in use.
struct Ready {
    static constexpr std::uint16_t few_calls = 1; // flag: any but the system calls I need ends me
    static constexpr std::uint16_t no_files = 2;  // flag: I can open no file
    Header header{Type::ready};
    Generation generation;
    std::uint32_t padding[2] = {};
};

// Workers of this identity, or parsers (no_identity), I have asked for, ever; what I was given is the master's to
// subtract. A parser that has become a worker was given as a parser.
struct Want {
    Header header{Type::want};
    IdentityKey identity;
    std::uint32_t total;
    std::uint32_t padding = 0;
};

// Something for the log; the master has the words.
enum class NoticeCode : std::uint8_t {
    max_clients_vhost = 1, // a: vhost
    queue_full,            // a: identity
    queue_deadline,        // a: identity
    shed_idle,             // a: connections shed since the last notice
    accept_failed,         // a: errno
    descriptors_short,     // a: limit in force
    hints_off,             // a: vhost
    ending,                // of the listener itself; a: errno, flags: step
};

struct Notice {
    Header header{Type::notice}; // code: NoticeCode
    std::uint32_t a;
    Generation generation; // in which `a` names something
    std::uint32_t padding = 0;
};

// That worker broke the protocol: end it.
struct Broken {
    Header header{Type::broken};
    Slot slot;
    WorkerId worker;
    std::uint32_t padding = 0;
};

// That worker, or parser, serves: whatever it dies of later, it was born well.
struct Started {
    Header header{Type::started};
    Slot slot;
    WorkerId worker;
    std::uint32_t padding = 0;
};

// After stop: no connection is left.
struct Drained {
    Header header{Type::drained};
    std::uint32_t padding[3] = {};
};

// May I become this? Once in a parser's life.
struct Ask {
    static constexpr std::uint16_t by_key = 1; // flag: `a` is an identity of the configuration; else a uid, and b a gid
    static constexpr std::uint16_t may_change = 2; // flag: nothing is to be learnt from it
    static constexpr int nice_zero = 20;           // what nice value 0 is as a code
    Header header{Type::ask};                      // code: the nice value + nice_zero
    std::uint32_t a;
    std::uint32_t b = 0;
    VhostIndex vhost; // whose limits are to hold
};

// What the account database says about a uid and its groups. The one message up that is larger than the others.
struct Found {
    static constexpr std::size_t max_groups = Grant::max_groups;
    Header header{Type::found};    // code: 1 there is such an account, 0 there is none
    std::uint32_t error = 0;       // errno where it could not be looked up; else 0
    std::uint32_t group_count = 0; // more than max_groups: too many
    std::array<char, 32> name{};   // NUL-terminated; cut where it is longer
    std::array<std::uint32_t, max_groups> groups{};
};

static_assert(sizeof(Grant) >= sizeof(Connection));
static_assert(sizeof(Found) <= 4096); // PIPE_BUF: whole or not at all
inline constexpr std::size_t grant_size_without_groups = sizeof(Grant) - Grant::max_groups * sizeof(std::uint32_t);
inline constexpr std::size_t connection_size_without_replay = sizeof(Connection) - max_replay;

inline constexpr Spec specs[] = {
    {Type::order, "order", Peer::master, Peer::spare, sizeof(Order), 0, 13},
    {Type::grant, "grant", Peer::master, Peer::parser, sizeof(Grant), 0, 2},
    {Type::connection, "connection", Peer::listener, Peer::worker, sizeof(Connection), 1, 1},
    {Type::hurry, "hurry", Peer::listener, Peer::worker, sizeof(Hurry), 0, 0},
    {Type::finish, "finish", Peer::listener, Peer::worker, sizeof(Finish), 0, 0},
    {Type::sockets, "sockets", Peer::master, Peer::listener, sizeof(Sockets), 1, max_sockets_a_message},
    {Type::generation, "generation", Peer::master, Peer::listener, sizeof(NewGeneration), 2, 2},
    {Type::worker, "worker", Peer::master, Peer::listener, sizeof(Worker), 2, 2},
    {Type::identified, "identified", Peer::master, Peer::listener, sizeof(Identified), 0, 0},
    {Type::gone, "gone", Peer::master, Peer::listener, sizeof(Gone), 0, 0},
    {Type::evict, "evict", Peer::master, Peer::listener, sizeof(Evict), 0, 0},
    {Type::stop, "stop", Peer::master, Peer::listener, sizeof(Stop), 0, 0},
    {Type::serving, "serving", Peer::worker, Peer::listener, sizeof(Serving), 0, 0},
    {Type::report, "report", Peer::worker, Peer::listener, sizeof(Report), 0, 0},
    {Type::ready, "ready", Peer::listener, Peer::master, sizeof(Ready), 0, 0},
    {Type::want, "want", Peer::listener, Peer::master, sizeof(Want), 0, 0},
    {Type::notice, "notice", Peer::listener, Peer::master, sizeof(Notice), 0, 0},
    {Type::broken, "broken", Peer::listener, Peer::master, sizeof(Broken), 0, 0},
    {Type::drained, "drained", Peer::listener, Peer::master, sizeof(Drained), 0, 0},
    {Type::ask, "ask", Peer::parser, Peer::master, sizeof(Ask), 0, 0},
    {Type::found, "found", Peer::resolver, Peer::master, sizeof(Found), 0, 0},
    {Type::logs, "logs", Peer::master, Peer::spare, sizeof(Logs), 0, max_sockets_a_message},
    {Type::parser_logs, "parser_logs", Peer::master, Peer::parser, sizeof(ParserLogs), 0, max_sockets_a_message},
    {Type::writer, "writer", Peer::master, Peer::scribe, sizeof(Writer), 2, 2},
    {Type::started, "started", Peer::listener, Peer::master, sizeof(Started), 0, 0},
};

constexpr bool goes_up(const Spec &spec) {
    return spec.to == Peer::master || (spec.to == Peer::listener && spec.from == Peer::worker);
}

static_assert([] {
    for (const Spec &spec : specs)
        if (goes_up(spec) && ((spec.size != up_size && spec.type != Type::found) || spec.max_descriptors != 0))
            return false;
    return true;
}());

constexpr const Spec *spec_of(Type type) {
    for (const Spec &spec : specs)
        if (spec.type == type) return &spec;
    return nullptr;
}

// The message's type, if these bytes may be one that `from` sends to `to`: known, allowed, of the right size.
std::optional<Type> recognise(ByteView bytes, Peer from, Peer to);

// The message in these bytes; only after recognise() has told its type.
template <typename Message> Message decode(ByteView bytes) {
    static_assert(std::is_trivially_copyable_v<Message>);
    Message message;
    std::memset(static_cast<void *>(&message), 0, sizeof message);
    std::memcpy(static_cast<void *>(&message), bytes.data(),
                bytes.size() < sizeof message ? bytes.size() : sizeof message);
    return message;
}

template <typename Message> ByteView encode(const Message &message) {
    static_assert(std::is_trivially_copyable_v<Message>);
    return {reinterpret_cast<const std::uint8_t *>(&message), sizeof message};
}
// A grant is sent as far as its groups go.
inline ByteView encode(const Grant &message) {
    return {reinterpret_cast<const std::uint8_t *>(&message),
            grant_size_without_groups + message.group_count * sizeof(std::uint32_t)};
}
// A connection message is sent as far as its replay goes.
inline ByteView encode(const Connection &message) {
    return {reinterpret_cast<const std::uint8_t *>(&message), connection_size_without_replay + message.replay_length};
}

} // namespace itk2::wire
