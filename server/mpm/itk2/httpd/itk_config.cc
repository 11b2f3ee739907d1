// What it is: see itk_config.h.
#include "httpd/itk_config.h"

#include <new>

namespace itk2::httpd {

namespace {

constexpr auto no_uid = static_cast<uid_t>(-1);
constexpr auto no_gid = static_cast<gid_t>(-1);

struct ItkConfig {
    uid_t uid = no_uid;
    gid_t gid = no_gid;
    const char *username = nullptr;
    int nice = 0;
};

constexpr const char *names[] = {"mpm_itk.c", "itk.c"};
constexpr const char *writers[] = {"mod_vhs.c", "mod_vhostx.c"};

// Of the record that whoever looks for this name finds.
ItkConfig *config_of(const char *name, const request_rec *request) {
    const module *record = ap_find_linked_module(name);
    return record ? static_cast<ItkConfig *>(ap_get_module_config(request->per_dir_config, record)) : nullptr;
}

} // namespace

const char *find_id_writer() {
    for (const char *writer : writers)
        if (ap_find_linked_module(writer)) return writer;
    return nullptr;
}

// No directive of theirs makes one for an inner section: merged, each section shows its server's.
void give_itk_config(apr_pool_t *pconf, server_rec *server, const plan::Identity &ids) {
    for (const char *name : names) {
        const module *record = ap_find_linked_module(name);
        if (!record) continue;
        const auto make = [pconf] {
            return new (apr_palloc(pconf, sizeof(ItkConfig))) ItkConfig;
        };
        ItkConfig *shown = make();
        *shown = {ids.uid, ids.gid, ids.name, ids.nice};
        ap_set_module_config(server->module_config, record, shown);
        ap_set_module_config(server->lookup_defaults, record, make());
    }
}

void forget_written_ids(const request_rec *request) {
    for (const char *name : names)
        if (ItkConfig *config = config_of(name, request)) *config = {};
}

WrittenIds written_ids(const request_rec *request) {
    WrittenIds written;
    for (const char *name : names) {
        const ItkConfig *config = config_of(name, request);
        if (!config) continue;
        if (config->uid != no_uid) {
            written.has_uid = true;
            written.uid = config->uid;
        }
        if (config->gid != no_gid) {
            written.has_gid = true;
            written.gid = config->gid;
        }
    }
    return written;
}

} // namespace itk2::httpd
