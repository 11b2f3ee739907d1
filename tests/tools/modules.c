/* What it is: modules for tests. With suexec_enabled_module httpd believes that the suexec program is installed;
 * fcgid_module has mod_fcgid's name and one of its directives. */
#include "httpd.h"

#include "http_config.h"
#include "unixd.h"

static int enable(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp) {
    (void)pconf, (void)plog, (void)ptemp;
    ap_unixd_config.suexec_enabled = 1;
    return OK;
}

static void register_hooks(apr_pool_t *pool) {
    (void)pool;
    ap_hook_pre_config(enable, NULL, NULL, APR_HOOK_LAST);
}

static const char *take(cmd_parms *command, void *section, const char *arguments) {
    (void)command, (void)section, (void)arguments;
    return NULL;
}

static const command_rec of_fcgid[] = {
    AP_INIT_RAW_ARGS("FcgidWrapper", take, NULL, OR_ALL, "taken and not used"),
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL},
};

AP_DECLARE_MODULE(suexec_enabled) = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0};

module AP_MODULE_DECLARE_DATA fcgid_module = {
    .version = MODULE_MAGIC_NUMBER_MAJOR,
    .minor_version = MODULE_MAGIC_NUMBER_MINOR,
    .module_index = -1,
    .name = "mod_fcgid.c",
    .magic = MODULE_MAGIC_COOKIE,
    .cmds = of_fcgid,
};
