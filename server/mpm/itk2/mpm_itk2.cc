// What it is: the door: the module records and the table of hooks; everything httpd calls comes in here.
#include "httpd/apache.h"
#include "httpd/config.h"
#include "httpd/holding.h"
#include "httpd/hooks.h"
#include "httpd/lifecycle.h"
#include "httpd/light.h"
#include "httpd/log_watch.h"
#include "httpd/memory_makers.h"
#include "httpd/startup.h"
#include "httpd/status.h"
#include "role/master.h"

namespace {

using namespace itk2;

int pre_config(apr_pool_t *pconf, apr_pool_t *, apr_pool_t *) {
    httpd::reset_config(pconf);
    return httpd::prepare_process(pconf);
}

int check_config(apr_pool_t *pconf, apr_pool_t *, apr_pool_t *ptemp, server_rec *main_server) {
    return httpd::check_config(pconf, ptemp, main_server);
}

int open_logs(apr_pool_t *pconf, apr_pool_t *, apr_pool_t *, server_rec *main_server) {
    httpd::watch_memory();
    httpd::watch_logs(pconf);
    return httpd::open_listening_sockets(pconf, main_server, httpd::settings().listener_count);
}

int run(apr_pool_t *pconf, apr_pool_t *plog, server_rec *main_server) {
    httpd::note_running_configuration(pconf, plog, main_server);
    const role::Ending ending = httpd::is_one_process() ? role::run_one_process() : role::run_master();
    if (ending == role::Ending::restart) return OK;
    return ending == role::Ending::stopped ? DONE : HTTP_INTERNAL_SERVER_ERROR;
}

// By this name the tools of Debian and of PHP's packages know an MPM that mod_php may run under.
const char *name() { return "itk"; }

// A module record by this name; spelled out, as __FILE__ is no name to test for.
constexpr module record(const char *name) {
    module named{};
    named.version = MODULE_MAGIC_NUMBER_MAJOR;
    named.minor_version = MODULE_MAGIC_NUMBER_MINOR;
    named.module_index = -1;
    named.name = name;
    named.magic = MODULE_MAGIC_COOKIE;
    return named;
}

#ifdef ITK2_LISTENER_PROGRAM
// Linked into httpd, whose own list of modules names the exported records; and to add a module before httpd has read that
// list anew, at the second reading of the configuration, loses all directives of the others.
void add_aliases(apr_pool_t *) {}
#else
// Apart from the exported records, which a LoadModule for their names adds and removes: one record twice in httpd's list
// would stay there when this module is unloaded.
constinit module aliases[] = {record("prefork.c"), record("mpm_itk.c"), record("itk.c"), record("mod_ruid2.c")};

apr_status_t remove_aliases(void *) {
    for (module &alias : aliases)
        if (alias.module_index != -1) ap_remove_loaded_module(&alias);
    return APR_SUCCESS;
}

// What is written for prefork, mpm-itk and mod_ruid2 (IfModule, mod_http2's look for an MPM it must keep away from) holds here.
void add_aliases(apr_pool_t *pconf) {
    for (module &alias : aliases)
        if (ap_find_linked_module(alias.name) == nullptr) ap_add_loaded_module(&alias, pconf, alias.name);
    apr_pool_cleanup_register(pconf, nullptr, remove_aliases, apr_pool_cleanup_null);
}
#endif

// In the order httpd calls them.
void register_hooks(apr_pool_t *pconf) {
    static const char *const before_core[] = {"core.c", nullptr};
    add_aliases(pconf);
    ap_hook_pre_config(pre_config, nullptr, nullptr, APR_HOOK_MIDDLE);
    ap_hook_check_config(check_config, nullptr, nullptr, APR_HOOK_MIDDLE);
    ap_hook_open_logs(open_logs, nullptr, before_core, APR_HOOK_REALLY_FIRST);
    ap_hook_mpm(run, nullptr, nullptr, APR_HOOK_MIDDLE);
    ap_hook_mpm_query(httpd::answer_query, nullptr, nullptr, APR_HOOK_MIDDLE);
    ap_hook_mpm_get_name(name, nullptr, nullptr, APR_HOOK_MIDDLE);
    ap_hook_insert_network_bucket(httpd::begin_input, nullptr, nullptr, APR_HOOK_MIDDLE);
    ap_hook_post_read_request(httpd::decide_request, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
    ap_hook_quick_handler(httpd::guard_quick_handler, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
    ap_hook_map_to_storage(httpd::decide_storage, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
    ap_hook_post_perdir_config(httpd::decide_directory, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(httpd::guard_handler, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(httpd::note_light, nullptr, before_core, APR_HOOK_REALLY_LAST);
    httpd::register_holding();
    httpd::register_status();
}

} // namespace

extern "C" {

__attribute__((visibility("default"))) AP_MODULE_DECLARE_DATA constinit module mpm_itk2_module = [] {
    module itk2 = record("mpm_itk2.c");
    itk2.create_dir_config = itk2::httpd::create_dir_config;
    itk2.merge_dir_config = itk2::httpd::merge_dir_config;
    itk2.create_server_config = itk2::httpd::create_server_config;
    itk2.merge_server_config = itk2::httpd::merge_server_config;
    itk2.cmds = itk2::httpd::directives;
    itk2.register_hooks = register_hooks;
    return itk2;
}();

// Names only.
__attribute__((visibility("default"))) AP_MODULE_DECLARE_DATA constinit module mpm_prefork_module = record("prefork.c");
__attribute__((visibility("default"))) AP_MODULE_DECLARE_DATA constinit module mpm_itk_module = record("mpm_itk.c");
__attribute__((visibility("default"))) AP_MODULE_DECLARE_DATA constinit module itk_module = record("itk.c");
#ifdef ITK2_LISTENER_PROGRAM
__attribute__((visibility("default"))) AP_MODULE_DECLARE_DATA constinit module ruid2_module = record("mod_ruid2.c");
#endif

} // extern "C"
