/* A module whose child_init ends the child: each time, or once, as its directive says; it counts in a file. */
#include "httpd.h"
#include "http_config.h"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static const char *count_file;
static int status = 1;

static void die(apr_pool_t *pool, server_rec *server)
{
    int fd = count_file ? open(count_file, O_WRONLY | O_APPEND) : -1;
    (void)pool;
    (void)server;
    if (fd < 0)
        return;
    if (write(fd, "x", 1) != 1)
        abort();
    close(fd);
    if (status < 0)
        abort();
    exit(status);
}

static const char *set_file(cmd_parms *command, void *unused, const char *file, const char *code)
{
    (void)command;
    (void)unused;
    count_file = file;
    status = atoi(code);
    return NULL;
}

static const command_rec commands[] = {
    AP_INIT_TAKE2("DieInChildInit", set_file, NULL, RSRC_CONF, "a file to count in while it is there; exit status, or -1 to abort"),
    {NULL}
};

static void hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_child_init(die, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(dies) = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, commands, hooks};
