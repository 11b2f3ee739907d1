// What it is: the identities of every server section: found, checked, and numbered for the master's whole life.
// Runs as: the master, while the configuration is read.
#pragma once

#include "httpd/apache.h"
#include "httpd/settings.h"

namespace itk2::httpd {

// Gives every server its identity, chooses the accounts of listener and spares (into `settings`), and refuses what no
// site may be. False after a line in the log.
bool resolve_identities(apr_pool_t *ptemp, server_rec *main_server, Settings &settings);

} // namespace itk2::httpd
