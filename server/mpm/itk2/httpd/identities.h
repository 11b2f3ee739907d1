// What it is: the identities that the configuration names, of every server and of the sections within: found, checked,
// and numbered for the master's whole life.
// Runs as: the master, while the configuration is read.
#pragma once

#include "httpd/apache.h"
#include "httpd/settings.h"

namespace itk2::httpd {

// Gives every server a configuration of its own with what its own level says, chooses the accounts of listener, spares
// and parsers (into `settings`), and refuses what no site may be. False after a line in the log.
bool resolve_identities(apr_pool_t *pconf, apr_pool_t *ptemp, server_rec *main_server, Settings &settings);

} // namespace itk2::httpd
