// What it is: whose pool may take what: from what stands in server sections to limits by identity.
// Runs as: the master, while the configuration is read, after resolve_identities.
#pragma once

#include "httpd/apache.h"

namespace itk2::httpd {

// False once the line is out: what one identity's virtual hosts say differs, or can't be.
bool settle_pool_limits(apr_pool_t *pconf, apr_pool_t *ptemp, server_rec *main_server);
// Whether the limits can be kept here; the line is out where not.
bool check_pool_limits();

} // namespace itk2::httpd
