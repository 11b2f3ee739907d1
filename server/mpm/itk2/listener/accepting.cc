// What it is: accept, and the local address.
#include "listener/accepting.h"

#include "listener/descriptor_room.h"
#include "listener/listener.h"
#include "listener/looking.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace itk2::listener {
namespace {

constexpr std::uint32_t most_a_turn = 64;
constexpr std::uint64_t pause_ms = 50;

plan::Address from_ipv4(const in_addr &address, in_port_t port) {
    plan::Address local;
    std::memcpy(local.bytes.data(), &address, 4);
    local.length = 4;
    local.port = ntohs(port);
    return local;
}

plan::Address from_ipv6(const in6_addr &address, in_port_t port) {
    plan::Address local;
    if (IN6_IS_ADDR_V4MAPPED(&address)) {
        in_addr mapped;
        std::memcpy(&mapped, address.s6_addr + 12, 4);
        return from_ipv4(mapped, port);
    }
    std::memcpy(local.bytes.data(), &address, 16);
    local.length = 16;
    local.port = ntohs(port);
    return local;
}

bool read_address(const sockaddr_storage &storage, plan::Address &into) {
    if (storage.ss_family == AF_INET) {
        sockaddr_in address;
        std::memcpy(&address, &storage, sizeof address);
        into = from_ipv4(address.sin_addr, address.sin_port);
        return true;
    }
    if (storage.ss_family == AF_INET6) {
        sockaddr_in6 address;
        std::memcpy(&address, &storage, sizeof address);
        into = from_ipv6(address.sin6_addr, address.sin6_port);
        return true;
    }
    return false;
}

bool read_own_address(int socket, plan::Address &local) {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    return getsockname(socket, reinterpret_cast<sockaddr *>(&storage), &length) == 0 && read_address(storage, local);
}

bool is_named_peer(const Listener &listener, const sockaddr_storage &peer) {
    plan::Address address;
    if (!read_address(peer, address)) return false;
    const auto networks = listener.table.networks();
    const auto bytes = std::span(address.bytes).first(address.length);
    return std::any_of(networks.begin(), networks.end(),
                       [bytes](const plan::Network &network) { return plan::holds(network, bytes); });
}

// Where the table names no peer, their addresses are not asked for.
os::Fd accept_one(const Listener &listener, const ListeningSocket &socket, bool &may_move) {
    constexpr int flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
    if (listener.table.networks().empty()) return os::Fd(accept4(socket.descriptor.get(), nullptr, nullptr, flags));
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    os::Fd descriptor(accept4(socket.descriptor.get(), reinterpret_cast<sockaddr *>(&peer), &length, flags));
    may_move = descriptor.is_open() && is_named_peer(listener, peer);
    return descriptor;
}

void pause(Listener &listener) {
    if (listener.sockets.paused) return;
    unwatch_sockets(listener);
    listener.sockets.paused = true;
    listener.timers.arm(listener.sockets, listener.now + pause_ms);
}

void pause_for_descriptors(Listener &listener) {
    pause(listener);
    complain_of_room(listener);
}

// What accept's failure means. True: there may be others to accept.
bool go_on_after(Listener &listener, int error, bool may_shed) {
    switch (error) {
    case EAGAIN: return false;
    case EINTR: // and errors of the connection, which is gone
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH: return true;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        if (may_shed && shed_for_room(listener)) return true;
        pause_for_descriptors(listener);
        return false;
    default:
        listener.master.notice(listener.now, wire::NoticeCode::accept_failed, static_cast<std::uint32_t>(error),
                               listener.settings.generation);
        pause(listener);
        return false;
    }
}

void begin(Listener &listener, const ListeningSocket &socket, os::Fd descriptor, bool may_move) {
    Connection &connection = listener.connections.add(std::move(descriptor));
    connection.may_move = may_move;
    connection.peer_generation = listener.settings.generation;
    connection.local = socket.local;
    connection.local_known = socket.is_specific;
    connection.server_speaks_first = socket.entry.server_speaks_first;
    connection.looks_like_tls = socket.entry.speaks_tls;
    look(listener, connection);
}

} // namespace

bool read_local_address(int socket, ListeningSocket &into) {
    if (!read_own_address(socket, into.local)) return false;
    const auto bytes = std::span(into.local.bytes).first(into.local.length);
    into.is_specific = std::any_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte != 0; });
    return true;
}

void watch_sockets(Listener &listener) {
    for (std::uint32_t place = 0; place < listener.sockets.current.size(); place++)
        (void)listener.poller.add(listener.sockets.current[place].descriptor.get(), EPOLLIN,
                                  {Watched::socket, place, listener.sockets.use});
}

void unwatch_sockets(Listener &listener) {
    for (const ListeningSocket &socket : listener.sockets.current) listener.poller.remove(socket.descriptor.get());
}

void learn_local_address(Listener &listener, Connection &connection) {
    if (connection.local_known || !listener.table.needs_local_address(connection.local.port)) return;
    const std::uint16_t port = connection.local.port;
    connection.local_known = true;
    if (!read_own_address(connection.descriptor.get(), connection.local)) connection.local = plan::Address{};
    connection.local.port = port;
}

void learn_peer(Listener &listener, Connection &connection) {
    if (connection.peer_generation == listener.settings.generation) return;
    connection.peer_generation = listener.settings.generation;
    connection.may_move = false;
    if (listener.table.networks().empty()) return;
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    if (getpeername(connection.descriptor.get(), reinterpret_cast<sockaddr *>(&peer), &length) == 0)
        connection.may_move = is_named_peer(listener, peer);
}

void accept_some(Listener &listener, ListeningSocket &socket) {
    // Where one is all that usually comes, asking for a second is a call for nothing: the quota follows what comes.
    std::uint32_t accepted = 0;
    bool has_failed = false;
    for (std::uint32_t turn = 0; turn < most_a_turn && accepted < socket.quota; turn++) {
        if (!make_room(listener, 1 + reserved_descriptors)) return pause_for_descriptors(listener);
        bool may_move = false;
        os::Fd descriptor = accept_one(listener, socket, may_move);
        if (descriptor.is_open()) {
            accepted++;
            begin(listener, socket, std::move(descriptor), may_move);
            continue;
        }
        if (!go_on_after(listener, errno, !has_failed)) {
            socket.quota = std::max(accepted, 1u);
            return;
        }
        has_failed = true;
    }
    socket.quota = std::min(socket.quota * 2, most_a_turn);
}

void resume_accepting(Listener &listener) {
    if (!listener.sockets.paused || listener.stopping) return;
    listener.sockets.paused = false;
    watch_sockets(listener);
}

} // namespace itk2::listener
