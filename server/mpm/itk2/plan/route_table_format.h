// What it is: how the route table's bytes are laid out, for the view and the builder only.
// All numbers are the machine's own byte order and aligned to 4; offsets are from the table's start.
#pragma once

#include "plan/route_table.h"

#include <type_traits>

namespace itk2::plan {

inline constexpr std::uint32_t table_magic = 0x524b5449; // "ITKR"
inline constexpr std::uint32_t table_version = 2;

struct TableRun {
    std::uint32_t offset;
    std::uint32_t count;
};

// A chain's bytes, see route_chain.h.
struct TableChain {
    std::uint32_t offset;
    std::uint32_t size;
};

// What any address not named in a TableAddress leads to.
struct TablePort {
    std::uint16_t port;
    std::uint16_t needs_local_address;
    std::uint32_t chain;
};

struct TableAddress {
    std::array<std::uint8_t, 16> bytes; // those past the length are 0
    std::uint16_t length;
    std::uint16_t port;
    std::uint32_t chain;
};

struct TableHead {
    std::uint32_t magic;
    std::uint32_t version;
    std::uint32_t size; // of the whole table
    Settings settings;
    TableRun sockets;   // SocketEntry
    TableRun vhosts;    // VhostEntry; the first is httpd's main server
    TableRun chains;    // TableChain
    TableRun ports;     // TablePort, by port
    TableRun addresses; // TableAddress, by port, length, bytes
    TableRun networks;  // Network
};

static_assert(sizeof(SocketEntry) == 4 && std::has_unique_object_representations_v<Settings> &&
              std::has_unique_object_representations_v<VhostEntry> &&
              std::has_unique_object_representations_v<Network>);

constexpr bool comes_before(const TableAddress &a, const TableAddress &b) {
    if (a.port != b.port) return a.port < b.port;
    if (a.length != b.length) return a.length < b.length;
    return a.bytes < b.bytes;
}

// How an address stands in the table.
constexpr TableAddress table_address(const Address &address, std::uint32_t chain = 0) {
    TableAddress made{{}, address.length, address.port, chain};
    for (std::size_t i = 0; i < address.length && i < made.bytes.size(); i++) made.bytes[i] = address.bytes[i];
    return made;
}

} // namespace itk2::plan
