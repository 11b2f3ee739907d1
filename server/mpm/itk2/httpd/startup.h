// What it is: how httpd came to life around this module: options of its command line, going to the background,
// opening the listening sockets. For the door's hooks.
#pragma once

#include "httpd/apache.h"

#include <cstdint>

namespace itk2::httpd {

// pre_config: reads -X and -D …, detaches where asked to, sets httpd's defaults.
// HTTP_INTERNAL_SERVER_ERROR when detaching fails.
int prepare_process(apr_pool_t *pconf);

// open_logs: binds what Listen names, once for each listener process wanted (0: as ListenCoresBucketsRatio has it).
// !OK after a line in the log.
int open_listening_sockets(apr_pool_t *pconf, server_rec *main_server, std::uint32_t listeners);

// mpm_query hook.
int answer_query(int code, int *answer, apr_status_t *status);

// The configuration's pool and main server, for the mpm hook's time.
void note_running_configuration(apr_pool_t *pconf, apr_pool_t *plog, server_rec *main_server);

} // namespace itk2::httpd
