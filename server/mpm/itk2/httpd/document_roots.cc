// What it is: see document_roots.h.
#include "httpd/document_roots.h"

#include <cstring>

namespace itk2::httpd {

const char *document_root_of(const server_rec *server) {
    return static_cast<core_server_config *>(ap_get_core_module_config(server->module_config))->ap_document_root;
}

const char *document_root_of(request_rec *request) {
    for (const request_rec *asked = request; asked; asked = asked->main) {
        const auto *core = static_cast<core_request_config *>(ap_get_core_module_config(asked->request_config));
        if (core && core->document_root) return core->document_root;
    }
    return document_root_of(request->server);
}

bool is_default_document_root(const char *path) { return strcmp(path, DOCUMENT_LOCATION) == 0; }

const ap_unix_identity_t *suexec_identity_of(apr_pool_t *pool, server_rec *server) {
    request_rec asked{};
    asked.pool = pool;
    asked.server = server;
    asked.per_dir_config = server->lookup_defaults;
    asked.notes = apr_table_make(pool, 1);
    asked.subprocess_env = apr_table_make(pool, 1);
    asked.headers_in = apr_table_make(pool, 1);
    asked.headers_out = apr_table_make(pool, 1);
    asked.request_config = ap_create_request_config(pool);
    asked.uri = apr_pstrdup(pool, "/");
    return ap_run_get_suexec_identity(&asked);
}

} // namespace itk2::httpd
