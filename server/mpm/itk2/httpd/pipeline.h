// What it is: httpd's look for a pipelined request, after each answer, without a call of the system: what it has read already
// is there without, and whoever serves the connection looks into the socket next anyway.
#pragma once

#include "httpd/apache.h"
#include "httpd/client_state.h"

namespace itk2::httpd {

void register_pipeline();

// For every connection, after pre_connection.
void add_pipeline(Client &client);

// What gives the bytes of this connection, from the socket.
[[nodiscard]] apr_bucket *create_network_bucket(apr_socket_t *socket, apr_bucket_alloc_t *list);

} // namespace itk2::httpd
