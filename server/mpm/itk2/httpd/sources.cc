// What it is: see sources.h; and what the door registers to make and merge these.
#include "httpd/sources.h"

#include "httpd/config.h"

#include <new>

namespace itk2::httpd {

ServerConfig *server_config(const server_rec *server) {
    return static_cast<ServerConfig *>(ap_get_module_config(server->module_config, &mpm_itk2_module));
}

DirConfig *dir_config(const ap_conf_vector_t *section) {
    return static_cast<DirConfig *>(ap_get_module_config(section, &mpm_itk2_module));
}

void merge_into(DirConfig &config, const DirConfig &nearer) {
    if (nearer.named) config.named = nearer.named;
    if (nearer.uid) config.uid = nearer.uid;
    if (nearer.gid) config.gid = nearer.gid;
    if (nearer.has_nice) {
        config.has_nice = true;
        config.nice = nearer.nice;
    }
}

void *create_dir_config(apr_pool_t *pool, char *) { return new (apr_palloc(pool, sizeof(DirConfig))) DirConfig; }

void *merge_dir_config(apr_pool_t *pool, void *base, void *nearer) {
    DirConfig merged = *static_cast<DirConfig *>(base);
    merge_into(merged, *static_cast<DirConfig *>(nearer));
    return new (apr_palloc(pool, sizeof(DirConfig))) DirConfig{merged};
}

void *create_server_config(apr_pool_t *pool, server_rec *) {
    return new (apr_palloc(pool, sizeof(ServerConfig))) ServerConfig;
}

void *merge_server_config(apr_pool_t *pool, void *base, void *own) {
    const ServerConfig &above = *static_cast<ServerConfig *>(base);
    ServerConfig merged = *static_cast<ServerConfig *>(own);
    if (!merged.mode_server) {
        merged.mode_server = above.mode_server;
        merged.mode_place = above.mode_place;
        merged.mode = above.mode;
    }
    if (!merged.groups) merged.groups = above.groups;
    if (!merged.has_max_clients) merged.max_clients = above.max_clients;
    if (!merged.has_uid_range) {
        merged.has_uid_range = above.has_uid_range;
        merged.uid_range = above.uid_range;
    }
    if (!merged.has_gid_range) {
        merged.has_gid_range = above.has_gid_range;
        merged.gid_range = above.gid_range;
    }
    if (!merged.has_set_uid_programs) merged.privileges.set_uid_programs = above.privileges.set_uid_programs;
    if (!merged.has_no_new_privileges) merged.privileges.no_new_privileges = above.privileges.no_new_privileges;
    return new (apr_palloc(pool, sizeof(ServerConfig))) ServerConfig{merged};
}

} // namespace itk2::httpd
