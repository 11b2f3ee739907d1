// What it is: the hooks httpd calls in the life of a connection and a request; the door registers them.
#pragma once

#include "httpd/apache.h"

namespace itk2::httpd {

// insert_network_bucket: what a client's bytes are read from; where the connection came back, before them the PROXY header,
// which the client sent once.
apr_status_t begin_input(conn_rec *connection, apr_bucket_brigade *brigade, apr_socket_t *socket);

// Remembers which host the connection's last request was for.
void note_host(const request_rec *request);

// The second decision: whether the virtual host httpd has chosen runs as this worker's identity.
// post_read_request, for virtual hosts that are one identity whatever is asked of them: 421 where it is not this one.
int decide_request(request_rec *request);
// map_to_storage, before all others, for the other ones: here a parser becomes what the request is to run as.
int decide_storage(request_rec *request);
// post_perdir_config: the same question, once the per-directory configuration is merged.
int decide_directory(request_rec *request);
// quick_handler and handler, before all others: fails closed should a request have come by another way.
int guard_quick_handler(request_rec *request, int lookup);
int guard_handler(request_rec *request);

} // namespace itk2::httpd
