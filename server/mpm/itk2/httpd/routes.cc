// What it is: asks httpd's lookup by address for every address and port there is, and writes down its chains.
// Where httpd can't be asked (which of a server's addresses are in a chain) it follows ap_fini_vhost_config().
#include "httpd/routes.h"

#include "httpd/apache.h"
#include "plan/route_table_builder.h"

#include <apr_hash.h>
#include <apr_tables.h>

#include <string_view>

namespace itk2::httpd {
namespace {

using plan::ChainIndex;

bool is_any_address(const apr_sockaddr_t &address) {
    constexpr std::uint8_t any[16] = {};
    return std::memcmp(address.ipaddr_ptr, any, static_cast<std::size_t>(address.ipaddr_len)) == 0;
}

plan::Address to_plan(const apr_sockaddr_t &address) {
    constexpr std::uint8_t v4_in_v6[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const auto *bytes = static_cast<const std::uint8_t *>(address.ipaddr_ptr);
    plan::Address made;
    made.port = address.port;
    made.length = static_cast<std::uint8_t>(address.ipaddr_len);
    if (made.length == 16 && std::memcmp(bytes, v4_in_v6, sizeof v4_in_v6) == 0) {
        made.length = 4;
        bytes += sizeof v4_in_v6;
    }
    std::memcpy(made.bytes.data(), bytes, made.length);
    return made;
}

plan::SocketEntry describe_socket(const ap_listen_rec &socket, apr_table_t *accept_filters) {
    const char *protocol = socket.protocol != nullptr ? socket.protocol : "http";
    const std::string_view name = protocol;
    const bool is_web = name == "http" || name == "https";
    const char *filter = accept_filters != nullptr ? apr_table_get(accept_filters, protocol) : nullptr;
    const bool waits_for_client = filter != nullptr && std::string_view(filter) != "none";
    return {socket.bind_addr->port, !is_web && !waits_for_client, name == "https"};
}

// What httpd answers for one local address and port.
struct Answer {
    const void *names; // httpd's own list of names; nullptr where the address alone decides
    server_rec *server;
};

class Compiler {
  public:
    Compiler(const RouteSource &source, apr_pool_t *scratch)
        : source_(source),
          scratch_(scratch),
          builder_(source.settings),
          vhosts_(apr_hash_make(scratch)),
          addresses_(apr_hash_make(scratch)),
          chains_(apr_hash_make(scratch)) {}

    Result compile(GrowingBytes &table) {
        add_vhosts();
        collect_addresses();
        const auto *core =
            static_cast<core_server_config *>(ap_get_core_module_config(source_.main_server->module_config));
        for (const ap_listen_rec *socket : source_.sockets)
            builder_.add_socket(describe_socket(*socket, core->accf_map));
        for (const plan::Network &network : source_.networks) builder_.add_network(network);
        for (std::size_t i = 0; i < source_.sockets.size(); i++)
            if (is_first_of_its_port(i)) add_port(source_.sockets[i]->bind_addr->port);
        return builder_.finish(table);
    }

  private:
    void add_vhosts() {
        std::uint32_t count = 0;
        for (server_rec *server = source_.main_server; server != nullptr; server = server->next) {
            builder_.add_vhost(source_.entry_of(*server));
            remember(vhosts_, key_of(*server), VhostIndex{count++});
        }
    }

    // Every address some <VirtualHost> names.
    void collect_addresses() {
        for (const server_rec *server = source_.main_server->next; server != nullptr; server = server->next)
            for (const server_addr_rec *named = server->addrs; named != nullptr; named = named->next)
                if (!is_any_address(*named->host_addr)) remember_address(*named->host_addr);
    }

    void remember_address(const apr_sockaddr_t &address) {
        if (recall<apr_sockaddr_t>(addresses_, key_of(address)) == nullptr)
            remember(addresses_, key_of(address), address);
    }

    static plan::TableAddress key_of(const apr_sockaddr_t &address) {
        plan::TableAddress key = plan::table_address(to_plan(address));
        key.port = 0;
        return key;
    }

    static std::uintptr_t key_of(const server_rec &server) { return reinterpret_cast<std::uintptr_t>(&server); }

    [[nodiscard]] bool is_first_of_its_port(std::size_t place) const {
        for (std::size_t i = 0; i < place; i++)
            if (source_.sockets[i]->bind_addr->port == source_.sockets[place]->bind_addr->port) return false;
        return true;
    }

    void add_port(apr_port_t port) {
        // First of all: a named address without a chain of its own on this port then finds this one.
        const ChainIndex any = chain_of(unnamed_address(port), true);
        builder_.set_port(port, any);
        for (apr_hash_index_t *i = apr_hash_first(scratch_, addresses_); i != nullptr; i = apr_hash_next(i)) {
            apr_sockaddr_t local = *static_cast<const apr_sockaddr_t *>(apr_hash_this_val(i));
            local.port = port;
            const ChainIndex chain = chain_of(local, false);
            if (chain != any) builder_.set_address(to_plan(local), chain);
        }
    }

    // An address no <VirtualHost> names, out of the prefix that is routed nowhere (RFC 6666).
    apr_sockaddr_t &unnamed_address(apr_port_t port) {
        std::uint8_t *bytes = unnamed_.sa.sin6.sin6_addr.s6_addr;
        unnamed_.family = unnamed_.sa.sin6.sin6_family = APR_INET6;
        unnamed_.ipaddr_len = 16;
        unnamed_.ipaddr_ptr = bytes;
        unnamed_.port = port;
        bytes[0] = 1;
        while (recall<apr_sockaddr_t>(addresses_, key_of(unnamed_)) != nullptr)
            for (int i = 15; i > 0 && ++bytes[i] == 0; i--) {}
        return unnamed_;
    }

    Answer ask(apr_sockaddr_t &local) {
        connection_ = {};
        connection_.pool = scratch_;
        connection_.base_server = source_.main_server;
        connection_.local_addr = &local;
        ap_update_vhost_given_ip(&connection_);
        return {connection_.vhost_lookup_data, connection_.base_server};
    }

    ChainIndex chain_of(apr_sockaddr_t &local, bool any) {
        const Answer answer = ask(local);
        if (const auto *known = recall<ChainIndex>(chains_, answer)) return *known;
        const ChainIndex made = make_chain(answer, any);
        remember(chains_, answer, made);
        return made;
    }

    // Of the answer that connection_ still holds.
    ChainIndex make_chain(const Answer &answer, bool any) {
        builder_.begin_chain(index_of(answer.server));
        if (answer.names != nullptr) {
            any_ = any;
            const apr_port_t port = connection_.local_addr->port;
            chain_port_ = has_address_in_chain(answer.server, port) ? port : 0;
            ap_vhost_iterate_given_conn(&connection_, add_next_server, this);
        }
        return builder_.end_chain();
    }

    static int add_next_server(void *self, conn_rec *, server_rec *server) {
        static_cast<Compiler *>(self)->add_server(*server);
        return 0;
    }

    void add_server(const server_rec &server) {
        builder_.add_candidate(index_of(&server));
        builder_.add_name(server.server_hostname);
        each_name(server.names, [this](const char *name) { builder_.add_name(name); });
        each_name(server.wild_names, [this](const char *name) { builder_.add_pattern(name); });
        if (server.path != nullptr && server.pathlen > 0)
            builder_.add_path({server.path, static_cast<std::size_t>(server.pathlen)});
        const server_addr_rec *before = nullptr;
        for (const server_addr_rec *named = server.addrs; named != nullptr; before = named, named = named->next)
            if (is_in_chain(*named, chain_port_) && !is_left_out(*named, before))
                builder_.add_address_text(named->virthost);
    }

    template <typename Use> static void each_name(const apr_array_header_t *names, Use use) {
        if (names == nullptr) return;
        const char *const *all = reinterpret_cast<const char *const *>(names->elts);
        for (int i = 0; i < names->nelts; i++)
            if (all[i] != nullptr) use(all[i]);
    }

    // A chain's addresses all have one port: the connection's own, or else none (":*").
    [[nodiscard]] bool is_in_chain(const server_addr_rec &named, apr_port_t chain_port) const {
        if (named.host_port != chain_port) return false;
        return any_ ? is_any_address(*named.host_addr)
                    : apr_sockaddr_equal(named.host_addr, connection_.local_addr) != 0;
    }
    [[nodiscard]] bool has_address_in_chain(const server_rec *server, apr_port_t chain_port) const {
        for (const server_addr_rec *named = server->addrs; named != nullptr; named = named->next)
            if (is_in_chain(*named, chain_port)) return true;
        return false;
    }
    // httpd takes one of the wildcard addresses of both families only.
    [[nodiscard]] bool is_left_out(const server_addr_rec &named, const server_addr_rec *before) const {
        return any_ && before != nullptr && is_any_address(*before->host_addr) && before->host_port == named.host_port;
    }

    VhostIndex index_of(const server_rec *server) { return *recall<VhostIndex>(vhosts_, key_of(*server)); }

    template <typename Key, typename Value> void remember(apr_hash_t *hash, const Key &key, const Value &value) {
        static_assert(std::has_unique_object_representations_v<Key>);
        apr_hash_set(hash, apr_pmemdup(scratch_, &key, sizeof key), sizeof key,
                     apr_pmemdup(scratch_, &value, sizeof value));
    }
    template <typename Value, typename Key> const Value *recall(apr_hash_t *hash, const Key &key) {
        return static_cast<const Value *>(apr_hash_get(hash, &key, sizeof key));
    }

    const RouteSource &source_;
    apr_pool_t *scratch_;
    plan::RouteTableBuilder builder_;
    apr_hash_t *vhosts_;    // a server_rec's address -> VhostIndex
    apr_hash_t *addresses_; // plan::TableAddress without port -> apr_sockaddr_t
    apr_hash_t *chains_;    // Answer -> ChainIndex
    apr_sockaddr_t unnamed_{};
    conn_rec connection_{}; // the one last asked about
    bool any_ = false;      // of the chain in the making
    apr_port_t chain_port_ = 0;
};

} // namespace

Result compile_routes(const RouteSource &source, GrowingBytes &table) {
    apr_pool_t *scratch = nullptr;
    if (apr_pool_create(&scratch, source.pool) != APR_SUCCESS) return refused(Step::map_memory, ENOMEM);
    const Result result = Compiler(source, scratch).compile(table);
    apr_pool_destroy(scratch);
    return result;
}

server_rec *server_at(server_rec *main_server, VhostIndex vhost) {
    server_rec *server = main_server;
    for (std::uint32_t i = 0; server != nullptr && i < number(vhost); i++) server = server->next;
    return server;
}

} // namespace itk2::httpd
