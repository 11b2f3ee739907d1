// What it is: one chain of the route table: the virtual hosts that share an address, in httpd's order, and how a
// name finds its own among them. A chain is a run of bytes that refers only to itself.
// Distrusts: the bytes, until is_sound() has held for them.
#pragma once

#include "base/bytes.h"
#include "base/ids.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace itk2::plan {

// Offsets are in bytes from the chain's start.
struct ChainText {
    std::uint32_t offset;
    std::uint32_t length;
};
struct ChainRun {
    std::uint32_t offset;
    std::uint32_t count;
};

inline constexpr std::uint32_t no_position = UINT32_MAX;

// A place in a table that is searched by hash; free where position is no_position. Texts are in lower case.
struct ChainSlot {
    std::uint32_t hash;
    std::uint32_t position; // the candidate's: the first one that has this text
    ChainText text;
};
struct ChainItem {
    std::uint32_t position;
    ChainText text;
};

struct ChainHead {
    std::uint32_t default_vhost;
    ChainRun candidates;    // std::uint32_t: each position's vhost
    ChainRun names;         // ChainSlot: ServerName, ServerAlias
    ChainRun suffixes;      // ChainSlot: ".example.com" of a ServerAlias "*.example.com"
    ChainRun address_texts; // ChainSlot: the address as written in <VirtualHost>
    ChainRun patterns;      // ChainItem: any other ServerAlias with * or ?, in order
    ChainRun paths;         // ChainItem: ServerPath, in order
};

// The hash of a text, built from its last character to its first, so that all of its tails' hashes come by the way.
inline constexpr std::uint32_t empty_hash = 2166136261;
constexpr std::uint32_t hash_before(char c, std::uint32_t tail_hash) {
    return (tail_hash ^ static_cast<unsigned char>(c)) * 16777619;
}

// Whether an aligned run of bytes is a chain whose every offset and index is in range.
bool is_sound(ByteView chain, std::uint32_t vhost_count);

// What httpd compares with names: the host as sent, without port, without an address literal's brackets, without a last
// dot. Where httpd answers 400 for the host, anything.
std::string_view host_name(std::string_view host_as_sent);

// Lookups in a sound chain.
VhostIndex default_vhost(ByteView chain);
// By the host a client sent: as httpd's fix_hostname(), update_server_from_aliases().
VhostIndex vhost_of_host(ByteView chain, std::string_view host_as_sent);
// By a request's path when there is no host: as httpd's check_serverpath().
VhostIndex vhost_of_path(ByteView chain, std::string_view path);

} // namespace itk2::plan
