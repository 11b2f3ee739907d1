// What it is: the filter that holds back the rest of a large file while its client reads slowly, so that the handler is
// done with it and the worker is free. In plain connections as in TLS, whose own filter would wait for the client.
#pragma once

#include "httpd/apache.h"
#include "httpd/client_state.h"

namespace itk2::httpd {

void register_holding();

// For every connection, after pre_connection.
void add_holding(Client &client);

// Passes on what is held, until the connection does not take more. False: it is broken.
[[nodiscard]] bool pass_held(Client &client);
[[nodiscard]] bool holds_something(const Client &client);

} // namespace itk2::httpd
