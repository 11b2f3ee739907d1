// What it is: document roots and whose they are, and what mod_suexec was told: identities that others' directives name.
#pragma once

#include "httpd/apache.h"
#include "os/path_owner.h"

namespace itk2::httpd {

const char *document_root_of(const server_rec *server);
// That of the request, as a module may have set it (VirtualDocumentRoot); what is looked up for a request has its.
const char *document_root_of(request_rec *request);

// Whether it is what httpd has where nobody has named one.
bool is_default_document_root(const char *path);

// SuexecUserGroup of that server, or of the main one where it has none; null where there is none. Asks whoever tells
// httpd for whom suexec is to run a program.
const ap_unix_identity_t *suexec_identity_of(apr_pool_t *pool, server_rec *server);

} // namespace itk2::httpd
