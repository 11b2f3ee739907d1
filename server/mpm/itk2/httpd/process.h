// What it is: what httpd needs to know of this worker process; for httpd/ only.
#pragma once

#include "base/ids.h"
#include "httpd/serving.h"
#include "plan/identity.h"

#include "httpd/apache.h"

namespace itk2::httpd {

struct Process {
    apr_pool_t *pool = nullptr; // pchild
    apr_bucket_alloc_t *buckets = nullptr;
    ap_sb_handle_t *score = nullptr;
    apr_thread_t *thread = nullptr;
    long connection_id = 0;
    IdentityKey identity = no_identity; // no_identity in every process that is no worker
    plan::Identity self;                // of a worker
    Become become;                      // of a parser
    Way way;                            // of a worker
    bool was_refused = false;           // a parser: asked, and must not become what it asked for
    bool finishing = false;
};

Process &process();

// Whether requests answered from now on tell the client to come back on a new connection.
void note_stopping(bool stopping);

} // namespace itk2::httpd
