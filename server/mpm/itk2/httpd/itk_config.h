// What it is: mpm-itk's per-directory configuration, as other modules know it. A module for mass hosting (mod_vhs) finds
// mpm-itk by its name and writes there, for each request, what that is to run as. Its layout is mpm-itk 2.4.7's, as far
// as they use it.
// Distrusts: nothing it finds there is more than a wish, checked as any other.
#pragma once

#include "httpd/apache.h"
#include "plan/identity.h"

namespace itk2::httpd {

// The module that is loaded and may write there; null where none is.
const char *find_id_writer();

// While the configuration is read: memory for a server, for every name of mpm-itk's. `ids`: what it runs as where that
// module finds nothing, which it asks for before the first request.
void give_itk_config(apr_pool_t *pconf, server_rec *server, const plan::Identity &ids);

// Forgets what was written for the request before: the memory is the server's.
void forget_written_ids(const request_rec *request);

struct WrittenIds {
    bool has_uid = false;
    bool has_gid = false;
    uid_t uid = 0;
    gid_t gid = 0;
};
WrittenIds written_ids(const request_rec *request);

} // namespace itk2::httpd
