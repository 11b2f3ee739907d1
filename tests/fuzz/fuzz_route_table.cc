// Any bytes at all, opened as a route table: refused, or every lookup stays inside.
// The input is a table followed by one line, the host or path to look up.
#include "requiring.h"

#include "plan/hint_key.h"
#include "plan/route_table_format.h"

#include <algorithm>
#include <cstring>
#include <memory>

using namespace itk2;
using namespace itk2::testing;
using namespace itk2::plan;

namespace {

void look_up(const RouteTable &table, const Address &local, std::string_view text) {
    for (const Sight sight : {Sight::http, Sight::tls, Sight::other}) {
        for (const bool has_host : {true, false}) {
            const FirstBytes first{sight, sight == Sight::tls, 0, has_host, has_host ? text : "", has_host ? "" : text};
            const Route route = table.route(local, first);
            require(number(route.vhost) < table.vhosts().size());
            const VhostEntry &vhost = table.vhosts()[number(route.vhost)];
            const bool is_seen = vhost.hints == HintScope::host
                                     ? sight != Sight::other
                                     : vhost.hints != HintScope::none && sight == Sight::http;
            require((hint_key({1, 2}, route.vhost, vhost.hints, first) != no_hint) == is_seen);
        }
    }
}

void use(const RouteTable &table, std::string_view text) {
    require(!table.vhosts().empty());
    std::uint64_t sum = number(table.settings().generation);
    for (const SocketEntry &socket : table.sockets()) {
        sum += socket.server_speaks_first + socket.speaks_tls + table.needs_local_address(socket.port);
        look_up(table, {{127, 0, 0, 1}, 4, socket.port}, text);
        look_up(table, {{0x20, 1, 0xd, 0xb8}, 16, socket.port}, text);
    }
    look_up(table, {{127, 0, 0, 1}, 4, 80}, text);
    const std::array<std::uint8_t, 16> peer{127, 0, 0, 1};
    for (const Network &network : table.networks())
        require(!(holds(network, std::span(peer).first(4)) && holds(network, peer)));
    require(sum < UINT64_MAX / 2); // reads them all
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::uint8_t *line = data + size;
    while (line > data && line[-1] != '\n') line--;
    const std::size_t table_size = line == data ? size : static_cast<std::size_t>(line - 1 - data);
    // A buffer of exactly the table's size, aligned as a mapping is, so that the sanitizer sees every step outside.
    const std::unique_ptr<std::uint32_t[]> aligned(new std::uint32_t[(table_size + 3) / 4]);
    if (table_size > 0) std::memcpy(aligned.get(), data, table_size);
    // Or else nearly every input would be refused for its size alone.
    if (table_size >= sizeof(TableHead))
        reinterpret_cast<TableHead *>(aligned.get())->size = static_cast<std::uint32_t>(table_size);
    const ByteView bytes{reinterpret_cast<const std::uint8_t *>(aligned.get()), table_size};
    RouteTable table;
    if (RouteTable::open(bytes, table).ok())
        use(table, {reinterpret_cast<const char *>(line), static_cast<std::size_t>(data + size - line)});
    return 0;
}
