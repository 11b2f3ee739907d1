// What it is: the check of a route table and the way from an address to its chain.
// Distrusts: the bytes until checked.
#include "plan/route_table.h"

#include "plan/route_chain.h"
#include "plan/route_table_format.h"

#include <algorithm>
#include <cstddef>

namespace itk2::plan {
namespace {

template <typename T> bool fits(ByteView bytes, TableRun run) {
    return run.offset % alignof(T) == 0 && run.offset <= bytes.size() &&
           run.count <= (bytes.size() - run.offset) / sizeof(T);
}

template <typename T> std::span<const T> items(ByteView bytes, TableRun run) {
    return {reinterpret_cast<const T *>(bytes.data() + run.offset), run.count};
}

bool has_sound_head(ByteView bytes, const TableHead &head) {
    return head.magic == table_magic && head.version == table_version && head.size == bytes.size() &&
           head.vhosts.count > 0 && fits<SocketEntry>(bytes, head.sockets) && fits<VhostEntry>(bytes, head.vhosts) &&
           fits<TableChain>(bytes, head.chains) && fits<TablePort>(bytes, head.ports) &&
           fits<TableAddress>(bytes, head.addresses) && fits<Network>(bytes, head.networks);
}

// A bool must not be read before its byte is known to be 0 or 1.
bool has_sound_sockets(ByteView bytes, TableRun run) {
    for (std::size_t i = 0; i < run.count; i++) {
        const std::uint8_t *socket = bytes.data() + run.offset + i * sizeof(SocketEntry);
        if (socket[offsetof(SocketEntry, server_speaks_first)] > 1 || socket[offsetof(SocketEntry, speaks_tls)] > 1)
            return false;
    }
    return true;
}

bool has_sound_vhosts(ByteView bytes, TableRun run) {
    const auto vhosts = items<VhostEntry>(bytes, run);
    return std::all_of(vhosts.begin(), vhosts.end(),
                       [](const VhostEntry &vhost) { return vhost.hints <= HintScope::path; });
}

bool has_sound_networks(ByteView bytes, TableRun run) {
    const auto networks = items<Network>(bytes, run);
    return std::all_of(networks.begin(), networks.end(), [](const Network &network) { return is_sound(network); });
}

bool has_sound_chains(ByteView bytes, const TableHead &head) {
    const auto chains = items<TableChain>(bytes, head.chains);
    return std::all_of(chains.begin(), chains.end(), [&](TableChain chain) {
        return chain.offset % alignof(TableHead) == 0 && chain.offset <= bytes.size() &&
               chain.size <= bytes.size() - chain.offset &&
               is_sound(bytes.subspan(chain.offset, chain.size), head.vhosts.count);
    });
}

template <typename Entry> bool leads_to_chains(ByteView bytes, TableRun run, std::uint32_t chain_count) {
    const auto entries = items<Entry>(bytes, run);
    return std::all_of(entries.begin(), entries.end(), [=](const Entry &entry) { return entry.chain < chain_count; });
}

const TablePort *find_port(ByteView bytes, const TableHead &head, std::uint16_t port) {
    const auto ports = items<TablePort>(bytes, head.ports);
    const auto found =
        std::lower_bound(ports.begin(), ports.end(), port,
                         [](const TablePort &entry, std::uint16_t sought) { return entry.port < sought; });
    return found != ports.end() && found->port == port ? &*found : nullptr;
}

const TableAddress *find_address(ByteView bytes, const TableHead &head, const Address &local) {
    const TableAddress sought = table_address(local);
    const auto addresses = items<TableAddress>(bytes, head.addresses);
    const auto found = std::lower_bound(addresses.begin(), addresses.end(), sought, comes_before);
    return found != addresses.end() && !comes_before(sought, *found) ? &*found : nullptr;
}

} // namespace

Result RouteTable::open(ByteView bytes, RouteTable &table) {
    constexpr Result unsound = refused(Step::read_route_table);
    if (bytes.size() < sizeof(TableHead) || reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(TableHead) != 0)
        return unsound;
    const TableHead &head = *reinterpret_cast<const TableHead *>(bytes.data());
    if (!has_sound_head(bytes, head) || !has_sound_sockets(bytes, head.sockets) ||
        !has_sound_vhosts(bytes, head.vhosts) || !has_sound_networks(bytes, head.networks) ||
        !has_sound_chains(bytes, head) || !leads_to_chains<TablePort>(bytes, head.ports, head.chains.count) ||
        !leads_to_chains<TableAddress>(bytes, head.addresses, head.chains.count))
        return unsound;
    table.bytes_ = bytes;
    table.head_ = &head;
    return success;
}

const Settings &RouteTable::settings() const { return head_->settings; }

std::span<const SocketEntry> RouteTable::sockets() const { return items<SocketEntry>(bytes_, head_->sockets); }

std::span<const VhostEntry> RouteTable::vhosts() const { return items<VhostEntry>(bytes_, head_->vhosts); }

std::span<const Network> RouteTable::networks() const { return items<Network>(bytes_, head_->networks); }

bool RouteTable::needs_local_address(std::uint16_t port) const {
    const TablePort *entry = find_port(bytes_, *head_, port);
    return entry != nullptr && entry->needs_local_address != 0;
}

Route RouteTable::route(const Address &local, const FirstBytes &first) const {
    const VhostIndex vhost = vhost_of(local, first);
    return {vhost, vhosts()[number(vhost)].identity};
}

// Empty for a port that is none of the table's.
ByteView RouteTable::chain_of(const Address &local) const {
    const TablePort *port = find_port(bytes_, *head_, local.port);
    if (port == nullptr) return {};
    const TableAddress *address = find_address(bytes_, *head_, local);
    const std::uint32_t index = address != nullptr ? address->chain : port->chain;
    const TableChain chain = items<TableChain>(bytes_, head_->chains)[index];
    return bytes_.subspan(chain.offset, chain.size);
}

VhostIndex RouteTable::vhost_of(const Address &local, const FirstBytes &first) const {
    const ByteView chain = chain_of(local);
    if (chain.empty()) return VhostIndex{0};
    if (first.has_host) return vhost_of_host(chain, first.host);
    if (first.sight == Sight::http) return vhost_of_path(chain, first.path);
    return default_vhost(chain);
}

} // namespace itk2::plan
