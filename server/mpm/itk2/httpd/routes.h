// What it is: the route table made from httpd's virtual hosts. httpd's own lookup is asked wherever it can be.
// Runs as: the master, once for every configuration, after all names are resolved (post_config or later).
#pragma once

#include "base/growing_array.h"
#include "base/result.h"
#include "plan/route_table.h"

#include <span>

struct apr_pool_t;
struct server_rec;
struct ap_listen_rec;

namespace itk2::httpd {

struct RouteSource {
    apr_pool_t *pool; // scratch memory is taken from a pool below it, and given back
    server_rec *main_server;
    std::span<ap_listen_rec *const> sockets; // in the order in which they are sent to the listener
    plan::Settings settings;
    plan::VhostEntry (*entry_of)(const server_rec &server);
    std::span<const plan::Network> networks = {}; // peers whose connections may move
};

// The table's bytes. A VhostIndex counts the server_recs of the list from the main server, which is 0.
Result compile_routes(const RouteSource &source, GrowingBytes &table);

// The server a VhostIndex stands for; nullptr past the list's end.
server_rec *server_at(server_rec *main_server, VhostIndex vhost);

} // namespace itk2::httpd
