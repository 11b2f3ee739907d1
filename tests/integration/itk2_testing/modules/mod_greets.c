/* A protocol in which the server speaks first: says who it is as soon as the connection is there, then ends it. */
#include "httpd.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_protocol.h"
#include "util_filter.h"
#include "apr_strings.h"
#include <unistd.h>

module AP_MODULE_DECLARE_DATA greets_module;

static void *make(apr_pool_t *pool, server_rec *server)
{
    (void)server;
    return apr_pcalloc(pool, sizeof(int));
}

static int greet(conn_rec *c)
{
    apr_bucket_brigade *out;
    const int *enabled = ap_get_module_config(c->base_server->module_config, &greets_module);
    if (!*enabled)
        return DECLINED;
    out = apr_brigade_create(c->pool, c->bucket_alloc);
    apr_brigade_printf(out, NULL, NULL, "220 %ld %ld greets you\r\n", (long)geteuid(), (long)getpid());
    APR_BRIGADE_INSERT_TAIL(out, apr_bucket_flush_create(c->bucket_alloc));
    ap_pass_brigade(c->output_filters, out);
    return OK;
}

static const char *enable(cmd_parms *command, void *unused, int on)
{
    (void)unused;
    *(int *)ap_get_module_config(command->server->module_config, &greets_module) = on;
    return NULL;
}

static const command_rec commands[] = {
    AP_INIT_FLAG("Greets", enable, NULL, RSRC_CONF, "whether the virtual host greets instead of serving HTTP"),
    {NULL}
};

static void hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_process_connection(greet, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(greets) = {STANDARD20_MODULE_STUFF, NULL, NULL, make, NULL, commands, hooks};
