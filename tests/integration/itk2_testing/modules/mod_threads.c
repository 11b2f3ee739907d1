/* A module whose child_init starts a thread, as some that watch or report do. */
#include "httpd.h"
#include "http_config.h"

#include <pthread.h>
#include <unistd.h>

static void *idle(void *nothing)
{
    for (;;)
        pause();
    return nothing;
}

static void start_thread(apr_pool_t *pool, server_rec *server)
{
    pthread_t thread;
    (void)pool;
    (void)server;
    pthread_create(&thread, NULL, idle, NULL);
}

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_child_init(start_thread, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(threads) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks,
#ifdef AP_MODULE_HAS_FLAGS
    0,
#endif
};
