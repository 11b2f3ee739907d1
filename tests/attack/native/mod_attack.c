/* Runs an attack in the process that handles a request, at a chosen moment of it:
     X-Attack: NAME ARGUMENT...     one of attacks.c
     X-Attack-At: read | translate | fixups
     X-Attack-Report: FILE          that anybody may write
   read: the head is parsed, before any other module's hook; translate: before any other's; fixups: decided. */
#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"
#include "http_request.h"
#include "apr_strings.h"
#include "attacks.h"

#include <string.h>

/* All else is hidden: libc has a `step` too. */
extern module AP_MODULE_DECLARE_DATA attack_module __attribute__((visibility("default")));

static int attack_at(request_rec *r, const char *moment)
{
    const char *attack = apr_table_get(r->headers_in, "X-Attack");
    const char *at = apr_table_get(r->headers_in, "X-Attack-At");
    const char *report = apr_table_get(r->headers_in, "X-Attack-Report");
    if (!attack || !at || !report || strcmp(at, moment) != 0 || !ap_is_initial_req(r))
        return DECLINED;
    if (attack_run(apr_pstrdup(r->pool, attack), report))
        return DECLINED;
    ap_set_content_type(r, "text/plain");
    ap_rputs("attacked\n", r);
    return DONE;
}

static int at_read(request_rec *r)
{
    return attack_at(r, "read");
}

static int at_translate(request_rec *r)
{
    return attack_at(r, "translate");
}

static int at_fixups(request_rec *r)
{
    return attack_at(r, "fixups");
}

static void hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_post_read_request(at_read, NULL, NULL, APR_HOOK_REALLY_FIRST - 10);
    ap_hook_translate_name(at_translate, NULL, NULL, APR_HOOK_REALLY_FIRST - 10);
    ap_hook_fixups(at_fixups, NULL, NULL, APR_HOOK_REALLY_FIRST - 10);
}

AP_DECLARE_MODULE(attack) = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, hooks};
