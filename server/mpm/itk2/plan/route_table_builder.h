// What it is: puts a route table together, in the master, from what httpd has said about its virtual hosts.
// Memory is malloc's; when it runs out, finish() says so.
#pragma once

#include "base/growing_array.h"
#include "plan/route_chain.h"
#include "plan/route_table.h"
#include "plan/route_table_format.h"

namespace itk2::plan {

enum class ChainIndex : std::uint32_t {};

class RouteTableBuilder {
  public:
    explicit RouteTableBuilder(const Settings &settings);

    void add_socket(const SocketEntry &socket) { sockets_.add(socket); }
    // Vhosts are numbered in the order of the calls; the first must be httpd's main server.
    void add_vhost(const VhostEntry &vhost) { vhosts_.add(vhost); }

    void add_network(const Network &network) { networks_.add(network); }

    // A chain: begin_chain(), then each candidate in httpd's order with what it answers to, then end_chain().
    void begin_chain(VhostIndex default_vhost);
    void add_candidate(VhostIndex vhost) { candidates_.add(number(vhost)); }
    void add_name(std::string_view name);
    void add_pattern(std::string_view pattern); // a name with * or ?
    void add_address_text(std::string_view text);
    void add_path(std::string_view path);
    // Equal chains get the same index.
    ChainIndex end_chain();

    // What connections to this port lead to; once for every port.
    void set_port(std::uint16_t port, ChainIndex any_address);
    // The exception for one local address.
    void set_address(const Address &local, ChainIndex chain);

    // The table. Step map_memory with ENOMEM when memory ran out or the table is larger than 4 GB; the builder is
    // of no more use afterwards.
    Result finish(GrowingBytes &table);

  private:
    enum class Kind : std::uint32_t { name, suffix, address_text, pattern, path };
    struct Entry {
        Kind kind;
        std::uint32_t position;
        ChainText text; // its offset is in texts_
    };
    struct Known {
        std::uint32_t hash;
        TableChain chain;
    };

    void add_entry(Kind kind, std::string_view text, bool ignores_case);
    ChainRun lay_out_slots(std::size_t chain_start, Kind kind);
    ChainRun lay_out_items(std::size_t chain_start, Kind kind);
    std::uint32_t count_of(Kind kind) const;
    void lay_out_chain(std::size_t chain_start);
    void sort();
    template <typename T> TableRun append(const GrowingArray<T> &items);
    bool has_failed() const;

    Settings settings_;
    GrowingBytes table_; // starts with room for the head
    GrowingArray<SocketEntry> sockets_;
    GrowingArray<VhostEntry> vhosts_;
    GrowingArray<Known> chains_;
    GrowingArray<TablePort> ports_;
    GrowingArray<TableAddress> addresses_;
    GrowingArray<Network> networks_;
    // Of the chain in the making:
    VhostIndex default_vhost_{};
    GrowingArray<std::uint32_t> candidates_;
    GrowingArray<Entry> entries_;
    GrowingBytes texts_;
};

} // namespace itk2::plan
