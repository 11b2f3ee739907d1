/* In the place of mod_vhs, a module for mass hosting: says for each request, in mpm-itk's own per-directory
 * configuration, whose it is. VhsUser HOST UID GID; VhsFinds NAME: by which name mpm-itk is looked for. */
#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"
#include "http_request.h"
#include "apr_strings.h"
#include <stdlib.h>
#include <string.h>

module AP_MODULE_DECLARE_DATA vhs_module;

typedef struct {
    uid_t uid;
    gid_t gid;
    char *username;
    int nice_value;
} itk_conf;

typedef struct {
    const char *host;
    uid_t uid;
    gid_t gid;
} found_user;

static apr_array_header_t *users;
static const char *itk_name = "mpm_itk.c";

static int forget(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    (void)ptemp;
    users = apr_array_make(pconf, 4, sizeof(found_user));
    itk_name = "mpm_itk.c";
    return OK;
}

static int say_whose(request_rec *r)
{
    module *itk = ap_find_linked_module(itk_name);
    itk_conf *whose = ap_get_module_config(r->per_dir_config, itk);
    for (int i = 0; i < users->nelts; i++) {
        const found_user *user = &APR_ARRAY_IDX(users, i, found_user);
        if (!r->hostname || strcmp(r->hostname, user->host) != 0)
            continue;
        whose->uid = user->uid;
        whose->gid = user->gid;
        whose->username = apr_pstrdup(r->pool, "nobody");
        return OK;
    }
    return DECLINED;
}

/* At its start it asks what its virtual host runs as by itself. */
static int look_at_servers(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *server)
{
    (void)pconf;
    (void)plog;
    (void)ptemp;
    for (; server; server = server->next)
        if (!ap_get_module_config(server->module_config, ap_find_linked_module(itk_name)))
            return HTTP_INTERNAL_SERVER_ERROR;
    return OK;
}

static const char *add_user(cmd_parms *command, void *unused, const char *host, const char *uid, const char *gid)
{
    found_user *user = apr_array_push(users);
    (void)unused;
    user->host = apr_pstrdup(command->pool, host);
    user->uid = (uid_t)strtoul(uid, NULL, 10);
    user->gid = (gid_t)strtoul(gid, NULL, 10);
    return NULL;
}

static const char *set_name(cmd_parms *command, void *unused, const char *name)
{
    (void)unused;
    itk_name = apr_pstrdup(command->pool, name);
    return NULL;
}

static const command_rec commands[] = {
    AP_INIT_TAKE3("VhsUser", add_user, NULL, RSRC_CONF, "host, uid, gid"),
    AP_INIT_TAKE1("VhsFinds", set_name, NULL, RSRC_CONF, "mpm-itk's name"),
    {NULL}
};

static void hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_pre_config(forget, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(look_at_servers, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_read_request(say_whose, NULL, NULL, APR_HOOK_FIRST);
}

AP_DECLARE_MODULE(vhs) = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, commands, hooks};
