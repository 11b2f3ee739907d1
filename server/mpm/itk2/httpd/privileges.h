// What it is: SetUidPrograms and NoNewPrivileges, which virtual hosts say and identities have.
// Runs as: the master, while the configuration is read, after find_vhost_facts.
#pragma once

#include "httpd/apache.h"
#include "httpd/settings.h"

namespace itk2::httpd {

// False, after a line in the log, where two virtual hosts say different things of one identity, or one contradicts itself.
bool find_privileges(apr_pool_t *pconf, server_rec *main_server, Settings &settings);

} // namespace itk2::httpd
