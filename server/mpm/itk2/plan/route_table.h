// What it is: the route table: what the master compiles from httpd's virtual hosts, and how the listener asks it.
// One flat, position-independent run of bytes. Pure. The view checks the whole table once, on opening; lookups
// after that can't leave it.
#pragma once

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "plan/first_bytes.h"
#include "plan/network.h"
#include "plan/wish.h"

#include <array>
#include <cstdint>
#include <span>

namespace itk2::plan {

struct Settings {
    Generation generation{};
    std::uint32_t listener_count = 1;
    std::uint32_t head_timeout_ms = 0;  // for a whole request head or ClientHello
    std::uint32_t queue_limit = 0;      // connections waiting for a worker, per pool
    std::uint32_t queue_timeout_ms = 0; // how long one may wait
    std::uint32_t worker_idle_ms = 0;   // after which an idle worker ends
    std::uint32_t linger_ms = 0;        // how long a closing connection is drained
    std::uint32_t hint_ms = 0;          // how long a hint holds that names what was found out for a request
};

struct SocketEntry {
    std::uint16_t port = 0;
    bool server_speaks_first = false;
    bool speaks_tls = false; // by the protocol of Listen (https); a hint for error answers only
};

struct VhostEntry {
    IdentityKey identity = no_identity; // no_identity: only httpd can tell, for each request
    std::uint32_t keepalive_ms = 0;
    std::uint32_t max_clients = 0; // MaxClientsVHost; 0: no limit
    HintScope hints = HintScope::none;
    std::array<std::uint8_t, 3> padding{};
};

// A local address. v4 addresses (also v4 mapped into v6) have 4 bytes, v6 16.
struct Address {
    std::array<std::uint8_t, 16> bytes{};
    std::uint8_t length = 4;
    std::uint16_t port = 0;
};

struct Route {
    VhostIndex vhost{};
    IdentityKey identity = no_identity;
};

struct TableHead;

// A checked view of a table; the bytes must outlive it. Until open() has succeeded nothing else may be called.
class RouteTable {
  public:
    // Checks every offset and count once; step read_route_table where one is wrong, or where the bytes are not
    // aligned to 4. `table` is changed on success only.
    static Result open(ByteView bytes, RouteTable &table);

    [[nodiscard]] const Settings &settings() const;
    [[nodiscard]] std::span<const SocketEntry> sockets() const; // in the order the master sends the sockets
    [[nodiscard]] std::span<const VhostEntry> vhosts() const;
    // Peers whose connections may go from one identity to another between two requests.
    [[nodiscard]] std::span<const Network> networks() const;
    // Whether connections to this port of different local addresses may have different routes.
    [[nodiscard]] bool needs_local_address(std::uint16_t port) const;
    // httpd's own answer for a connection to this local address whose first bytes are these.
    // A ClientHello's name counts as the Host field that the requests to come will repeat.
    [[nodiscard]] Route route(const Address &local, const FirstBytes &first) const;

  private:
    [[nodiscard]] ByteView chain_of(const Address &local) const;
    [[nodiscard]] VhostIndex vhost_of(const Address &local, const FirstBytes &first) const;

    ByteView bytes_;
    const TableHead *head_ = nullptr;
};

} // namespace itk2::plan
