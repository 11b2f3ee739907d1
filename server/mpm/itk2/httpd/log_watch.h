// What it is: learning, while httpd opens its logs, which descriptor is which virtual host's.
#pragma once

#include "httpd/apache.h"

namespace itk2::httpd {

// open_logs hook, before all others: from now on each access log that mod_log_config opens is noted.
void watch_logs(apr_pool_t *pconf);

struct OpenedLog {
    int descriptor;
    const server_rec *server;
};
// What has been noted since: of OpenedLog.
const apr_array_header_t *opened_logs();

} // namespace itk2::httpd
