// What it is: the route table's settings and virtual hosts, taken from the configuration, and memory to count in.
// Runs as: the master, when a generation begins.
#include "httpd/table.h"

#include "httpd/apache.h"
#include "httpd/config.h"
#include "httpd/lifecycle_state.h"
#include "httpd/routes.h"
#include "httpd/settings.h"
#include "os/memfd.h"
#include "plan/counting.h"

namespace itk2::httpd {
namespace {

// As long as httpd's own lingering close drains a client that keeps sending.
constexpr std::uint32_t linger_ms = 30'000;

plan::Settings table_settings() {
    const Settings &now = settings();
    plan::Settings table;
    table.generation = Generation{static_cast<std::uint32_t>(ap_unixd_mpm_get_retained_data()->my_generation)};
    table.listener_count = static_cast<std::uint32_t>(socket_groups().count);
    table.head_timeout_ms = now.head_timeout_ms;
    table.queue_limit = now.queue_limit;
    table.queue_timeout_ms = now.queue_timeout_ms;
    table.worker_idle_ms = now.worker_idle_ms;
    table.linger_ms = linger_ms;
    table.hint_ms = now.name_cache_s * 1000;
    return table;
}

plan::VhostEntry entry_of(const server_rec &server) {
    plan::VhostEntry entry;
    entry.identity = route_identity_of(&server);
    entry.keepalive_ms = static_cast<std::uint32_t>(server.keep_alive_timeout / 1000);
    entry.max_clients = max_clients_of(&server);
    entry.hints = hint_scope_of(&server);
    return entry;
}

Result make_counters(ByteView table_bytes, ListenersMemory &memory) {
    plan::RouteTable table;
    Result result = plan::RouteTable::open(table_bytes, table);
    if (!result.ok()) return result;
    const std::size_t size = plan::counting_size(table.settings().listener_count, table.vhosts().size());
    result = os::make_shared_memfd("itk2 counters", size, memory.counters);
    if (result.ok()) result = os::open_memfd_to_read(memory.counters.get(), memory.counters_seen);
    return result;
}

} // namespace

Result make_listeners_memory(ListenersMemory &memory) {
    apr_pool_t *scratch = nullptr;
    if (apr_pool_create(&scratch, pconf()) != APR_SUCCESS) return refused(Step::map_memory, ENOMEM);
    apr_array_header_t *sockets = apr_array_make(scratch, 16, sizeof(ap_listen_rec *));
    for (ap_listen_rec *socket = socket_groups().first[0]; socket != nullptr; socket = socket->next)
        APR_ARRAY_PUSH(sockets, ap_listen_rec *) = socket;

    const RouteSource source{
        scratch,
        ap_server_conf,
        {reinterpret_cast<ap_listen_rec *const *>(sockets->elts), static_cast<std::size_t>(sockets->nelts)},
        table_settings(),
        entry_of,
        reroute_networks()};
    GrowingBytes bytes;
    Result result = compile_routes(source, bytes);
    if (result.ok()) result = os::make_sealed_memfd("itk2 routes", bytes.items(), memory.table);
    if (result.ok()) result = make_counters(bytes.items(), memory);
    apr_pool_destroy(scratch);
    return result;
}

} // namespace itk2::httpd
