/* A module that keeps descriptors open in the master, as some do without need: a socket, a directory that is root's, a
   file to write to, and a pipe. HoldIn names a folder that is root's. */
#include "httpd.h"
#include "http_config.h"
#include "apr_strings.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

extern module AP_MODULE_DECLARE_DATA holds_module;

static const char *folder = "/root";

static const char *hold_in(cmd_parms *command, void *config, const char *path)
{
    (void)command;
    (void)config;
    folder = path;
    return NULL;
}

static int hold(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *server)
{
    int ends[2];
    (void)pconf;
    (void)plog;
    (void)server;
    if (socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) < 0 || open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0 ||
        pipe2(ends, O_CLOEXEC) != 0)
        return HTTP_INTERNAL_SERVER_ERROR;
    int file = open(apr_pstrcat(ptemp, folder, "/held.txt", NULL), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || write(file, "held\n", 5) != 5)
        return HTTP_INTERNAL_SERVER_ERROR;
    return open(apr_pstrcat(ptemp, folder, "/read.txt", NULL), O_RDONLY | O_CREAT | O_CLOEXEC, 0600) < 0
               ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_post_config(hold, NULL, NULL, APR_HOOK_MIDDLE);
}

static const command_rec directives[] = {
    AP_INIT_TAKE1("HoldIn", hold_in, NULL, RSRC_CONF, "a folder"),
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL},
};

AP_DECLARE_MODULE(holds) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, directives, register_hooks,
#ifdef AP_MODULE_HAS_FLAGS
    0,
#endif
};
