// What it is: see fake_master.h.
#include "fake_master.h"

#include "cmocka_for_cxx.h"

#include "base/growing_array.h"
#include "os/clock.h"
#include "os/memfd.h"
#include "plan/route_table_builder.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <string>

namespace itk2::testing {
namespace {

constexpr id_t account = 65'001; // nobody's

void drop_privileges() {
    if (geteuid() != 0) return;
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) _exit(99);
    if (setgroups(0, nullptr) != 0 || setresgid(account, account, account) != 0 ||
        setresuid(account, account, account) != 0)
        _exit(99);
}

[[noreturn]] void become_listener(int program, const wire::LowerEnd &channel, std::uint32_t descriptor_limit,
                                  pid_t master) {
    const int down = fcntl(channel.down.get(), F_DUPFD, 20);
    const int up = fcntl(channel.up.get(), F_DUPFD, 20);
    const int code = fcntl(program, F_DUPFD_CLOEXEC, 20);
    if (dup2(down, 3) < 0 || dup2(up, 4) < 0) _exit(99);
    if (descriptor_limit != 0) {
        const rlimit limit{descriptor_limit, descriptor_limit};
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) _exit(99);
    }
    drop_privileges();
    std::string number = "0";
    std::string parent = std::to_string(master);
    std::string name = "itk2-listener";
    char *const arguments[] = {name.data(), number.data(), parent.data(), nullptr};
    std::string sanitizer = "ASAN_OPTIONS=detect_leaks=0";
    char *const environment[] = {sanitizer.data(), nullptr};
    // By descriptor: the account may not be able to walk the path.
    execveat(code, "", arguments, environment, AT_EMPTY_PATH);
    _exit(98);
}

plan::ChainIndex chain_of(plan::RouteTableBuilder &builder, const std::vector<Site> &sites) {
    builder.begin_chain(VhostIndex{0});
    for (std::uint32_t i = 0; i < sites.size(); i++) {
        builder.add_candidate(VhostIndex{i});
        builder.add_name(sites[i].host);
    }
    return builder.end_chain();
}

GrowingBytes table_of(const Configuration &configuration, std::span<const std::uint16_t> ports) {
    plan::RouteTableBuilder builder(configuration.settings);
    for (const std::uint16_t port : ports) builder.add_socket({port, configuration.server_speaks_first, false});
    for (const Site &site : configuration.sites)
        builder.add_vhost({IdentityKey{site.identity}, site.keepalive_ms, site.max_clients, site.hints});
    for (const plan::Network &network : configuration.networks) builder.add_network(network);
    const plan::ChainIndex by_name = chain_of(builder, configuration.sites);
    for (const std::uint16_t port : ports) builder.set_port(port, by_name);
    for (const AddressSite &address : configuration.addresses) {
        builder.begin_chain(VhostIndex{address.site});
        const plan::ChainIndex chain = builder.end_chain();
        for (const std::uint16_t port : ports) builder.set_address({{127, 0, 0, address.last}, 4, port}, chain);
    }
    GrowingBytes table;
    assert_true(builder.finish(table).ok());
    return table;
}

// Looks again and again, until the tests' patience ends.
template <typename Condition> bool comes_true(Condition condition) {
    for (int waited = 0; waited < wait_ms; waited += 5) {
        if (condition()) return true;
        poll(nullptr, 0, 5);
    }
    return false;
}

} // namespace

plan::Settings Configuration::lasting() {
    plan::Settings settings;
    settings.head_timeout_ms = settings.queue_timeout_ms = settings.worker_idle_ms = settings.linger_ms = 600'000;
    settings.queue_limit = 1000;
    return settings;
}

FakeMaster::FakeMaster(std::uint32_t descriptor_limit) {
    const char *path = std::getenv("ITK2_LISTENER");
    if (path == nullptr) fail_msg("ITK2_LISTENER does not name the program to test");
    const os::Fd program(open(path, O_RDONLY | O_CLOEXEC));
    assert_true(program.is_open());
    wire::LowerEnd lower;
    assert_true(wire::make_channel(channel_, lower).ok());
    const pid_t self = getpid();
    pid_ = fork();
    assert_true(pid_ >= 0);
    if (pid_ == 0) become_listener(program.get(), lower, descriptor_limit, self);
    (void)add_socket(Bound::to_loopback);
}

FakeMaster::~FakeMaster() {
    if (pid_ <= 0) return;
    channel_.down.reset();
    assert_int_equal(await_exit(), 0);
}

int FakeMaster::await_exit() {
    int status = 0;
    if (!comes_true([&] { return waitpid(pid_, &status, WNOHANG) == pid_; })) fail_msg("the listener does not end");
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

std::uint16_t FakeMaster::add_socket(Bound bound) {
    const bool is_v6 = bound == Bound::to_any_v6;
    os::Fd descriptor(socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    assert_true(descriptor.is_open());
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_addr.s_addr = htonl(bound == Bound::to_any ? INADDR_ANY : INADDR_LOOPBACK);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    auto *generic = is_v6 ? reinterpret_cast<sockaddr *>(&v6) : reinterpret_cast<sockaddr *>(&v4);
    socklen_t length = is_v6 ? sizeof v6 : sizeof v4;
    if (is_v6) {
        const int off = 0;
        assert_int_equal(setsockopt(descriptor.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off), 0);
    }
    assert_int_equal(bind(descriptor.get(), generic, length), 0);
    assert_int_equal(listen(descriptor.get(), 511), 0);
    assert_int_equal(getsockname(descriptor.get(), generic, &length), 0);
    const std::uint16_t port = ntohs(is_v6 ? v6.sin6_port : v4.sin_port);
    sockets_.push_back({std::move(descriptor), port});
    return port;
}

void FakeMaster::send_bytes(ByteView bytes, std::span<const int> descriptors) {
    assert_true(wire::send_down(channel_.down.get(), bytes, descriptors).ok());
}

void FakeMaster::send_table(ByteView bytes, int counters) {
    os::Fd memfd;
    assert_true(os::make_sealed_memfd("routes", bytes, memfd).ok());
    wire::Sockets sockets;
    for (sockets.first = 0; sockets.first < sockets_.size(); sockets.first++) {
        const int socket = sockets_[sockets.first].descriptor.get();
        send_bytes(wire::encode(sockets), {&socket, 1});
    }
    wire::NewGeneration generation;
    generation.generation = Generation{generation_};
    generation.socket_count = static_cast<std::uint32_t>(sockets_.size());
    const int memory[] = {memfd.get(), counters};
    send_bytes(wire::encode(generation), {memory, counters == Configuration::none ? 1U : 2U});
}

void FakeMaster::send_configuration(const Configuration &configuration) {
    last_ = configuration;
    last_.settings.generation = Generation{++generation_};
    std::vector<std::uint16_t> ports;
    for (const Socket &socket : sockets_) ports.push_back(socket.port);
    const GrowingBytes table = table_of(last_, ports);
    if (configuration.counters != Configuration::fitting) return send_table(table.items(), configuration.counters);
    const std::size_t size = plan::counting_size(last_.settings.listener_count, last_.sites.size());
    os::Fd made;
    assert_true(os::make_shared_memfd("counters", size, made).ok());
    assert_true(os::map_shared(made.get(), size, counters_).ok());
    send_table(table.items(), made.get());
}

std::uint32_t FakeMaster::count(std::size_t place) const { return std::atomic_ref(counters_.numbers()[place]).load(); }

void FakeMaster::await_held(plan::Held state, std::uint32_t count_wanted) {
    if (comes_true([&] { return count(plan::place_of(state)) == count_wanted; })) return;
    fail_msg("%u connections are in state %u, not %u", count(plan::place_of(state)), static_cast<unsigned>(state),
             count_wanted);
}

std::uint32_t FakeMaster::busy(std::size_t site) const { return count(plan::place_of_busy(site)); }

std::uint32_t FakeMaster::queued(std::size_t site) const {
    return count(plan::place_of_queued(site, last_.sites.size()));
}

void FakeMaster::configure(const Configuration &configuration) {
    send_configuration(configuration);
    await<wire::Ready>(wire::Type::ready,
                       [&](const wire::Ready &ready) { return ready.generation == Generation{generation_}; });
}

FakeWorker FakeMaster::add_worker(std::uint32_t identity, std::uint32_t *filled) {
    FakeWorker worker;
    worker.slot = Slot{workers_};
    worker.id = WorkerId{++workers_};
    wire::UpperEnd upper;
    assert_true(wire::make_channel(upper, worker.channel).ok());
    while (filled != nullptr && wire::send_down(upper.down.get(), wire::encode(wire::Hurry{})).ok()) ++*filled;
    wire::Worker message;
    message.slot = worker.slot;
    message.worker = worker.id;
    message.identity = IdentityKey{identity};
    message.generation = Generation{generation_};
    const int descriptors[] = {upper.down.get(), upper.up.get()};
    send_bytes(wire::encode(message), descriptors);
    return worker;
}

void FakeMaster::gone(FakeWorker &worker) {
    wire::Gone message;
    message.slot = worker.slot;
    message.worker = worker.id;
    send(message);
}

void FakeMaster::identify(const FakeWorker &parser, std::uint32_t identity, std::uint16_t flags) {
    wire::Identified message;
    message.header.flags = flags;
    message.slot = parser.slot;
    message.worker = parser.id;
    message.identity = IdentityKey{identity};
    send(message);
}

void FakeMaster::receive() {
    await_readable(channel_.up.get());
    const Result filled = reader_.fill(channel_.up.get());
    if (!filled.ok()) fail_msg("the listener has ended");
    for (;;) {
        const ByteView bytes = reader_.next();
        if (bytes.empty()) return;
        assert_true(wire::recognise(bytes, wire::Peer::listener, wire::Peer::master).has_value());
        Message message;
        std::copy(bytes.begin(), bytes.end(), message.begin());
        kept_.push_back(message);
    }
}

ByteView FakeMaster::await_bytes(wire::Type type, const std::function<bool(ByteView)> &fits) {
    const std::int64_t deadline_ms = os::monotonic_ms() + wait_ms;
    for (;;) {
        if (os::monotonic_ms() > deadline_ms) fail_msg("no such message came, but others");
        for (auto message = kept_.begin(); message != kept_.end(); ++message) {
            if ((*message)[0] != static_cast<std::uint8_t>(type) || !fits(*message)) continue;
            found_ = *message;
            kept_.erase(message);
            return found_;
        }
        receive();
    }
}

void FakeMaster::await_want(std::uint32_t identity, std::uint32_t total) {
    await<wire::Want>(wire::Type::want, [&](const wire::Want &want) {
        return want.identity == IdentityKey{identity} && want.total == total;
    });
}

void FakeMaster::await_notice(wire::NoticeCode code) {
    await<wire::Notice>(wire::Type::notice, [&](const wire::Notice &notice) {
        return notice.header.code == static_cast<std::uint8_t>(code);
    });
}

wire::Broken FakeMaster::await_broken(const FakeWorker &worker) {
    return await<wire::Broken>(wire::Type::broken, [&](const wire::Broken &broken) {
        return broken.slot == worker.slot && broken.worker == worker.id;
    });
}

void FakeMaster::await_drained() {
    await<wire::Drained>(wire::Type::drained, [](const wire::Drained &) { return true; });
}

void FakeMaster::await_sign_of_life() {
    FakeWorker worker = add_worker(0);
    worker.report({}, wire::Outcome::keep); // breaks the protocol, which the listener answers
    await_broken(worker);
}

bool FakeMaster::has_come(wire::Type type) {
    await_sign_of_life();
    return std::any_of(kept_.begin(), kept_.end(),
                       [type](const Message &message) { return message[0] == static_cast<std::uint8_t>(type); });
}

FakeWorker serving_worker(FakeMaster &master, std::uint32_t identity) {
    FakeWorker worker = master.add_worker(identity);
    worker.serving();
    return worker;
}

} // namespace itk2::testing
