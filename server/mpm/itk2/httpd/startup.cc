// What it is: what httpd expects of an MPM before it runs.
#include "httpd/startup.h"

#include "httpd/lifecycle.h"
#include "httpd/lifecycle_state.h"
#include "httpd/log.h"
#include "httpd/settings.h"

#include <fcntl.h>

namespace itk2::httpd {
namespace {

constinit bool one_process = false;
constinit apr_pool_t *configuration_pool = nullptr;
constinit apr_pool_t *log_pool = nullptr;

// The words for an APR status; a static buffer.
const char *words(apr_status_t status) {
    static char buffer[120];
    return apr_strerror(status, buffer, sizeof buffer);
}

int detach(apr_pool_t *pconf, bool keep_process) {
    ap_fatal_signal_setup(ap_server_conf, pconf);
    const apr_status_t result = apr_proc_detach(keep_process ? APR_PROC_DETACH_FOREGROUND : APR_PROC_DETACH_DAEMONIZE);
    if (result == APR_SUCCESS) return OK;
    log(LogId::not_detached, words(result));
    return HTTP_INTERNAL_SERVER_ERROR;
}

bool make_nonblocking(int fd) {
    const int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

// Takes down the descriptors. The listener accepts until there is nothing left; a client that went away meanwhile must
// not make it wait.
bool collect_descriptors(apr_pool_t *pool) {
    SocketGroups &groups = socket_groups();
    const apr_size_t each = static_cast<apr_size_t>(groups.sockets_each);
    groups.descriptors =
        static_cast<int *>(apr_pcalloc(pool, sizeof(int) * each * static_cast<apr_size_t>(groups.count)));
    int *place = groups.descriptors;
    for (int group = 0; group < groups.count; group++)
        for (const ap_listen_rec *socket = groups.first[group]; socket != nullptr; socket = socket->next)
            if (apr_os_sock_get(place, socket->sd) != APR_SUCCESS || !make_nonblocking(*place++)) return false;
    return true;
}

// Sockets that several listeners are to share must be bound so from the first one on. httpd binds them so where
// ListenCoresBucketsRatio stands in the configuration; this is as if it did.
const char *share_sockets(apr_pool_t *pool, server_rec *main_server) {
    static constexpr command_rec ratio = {"ListenCoresBucketsRatio", {nullptr}, nullptr, RSRC_CONF, TAKE1, nullptr};
    ap_directive_t nowhere{};
    cmd_parms command{};
    command.limited = -1;
    command.directive = &nowhere;
    command.pool = pool;
    command.server = main_server;
    command.cmd = &ratio;
    return ap_set_listencbratio(&command, nullptr, "1");
}

} // namespace

int prepare_process(apr_pool_t *pconf) {
    const bool debug = ap_exists_config_define("DEBUG");
    one_process = debug || ap_exists_config_define("ONE_PROCESS");
    const bool foreground = debug || ap_exists_config_define("FOREGROUND");
    const bool keep_process = !debug && ap_exists_config_define("NO_DETACH");

    ap_unixd_mpm_retained_data *retained = ap_unixd_mpm_get_retained_data();
    static constexpr char our_baton[] = "itk2"; // compared as text: its address changes with every reload
    if (retained->baton == nullptr || strcmp(static_cast<const char *>(retained->baton), our_baton) != 0) {
        retained->was_graceful = 0;
        retained->baton = apr_pstrdup(ap_pglobal, our_baton);
    }
    retained->mpm_state = AP_MPMQ_STARTING;
    retained->module_loads++;
    // The first reading is only a check; the second is for good.
    if (retained->module_loads == 2 && !one_process && !foreground) {
        const int result = detach(pconf, keep_process);
        if (result != OK) return result;
    }
    ap_listen_pre_config();
    ap_extended_status = 0;
    return OK;
}

int open_listening_sockets(apr_pool_t *pconf, server_rec *main_server, std::uint32_t listeners) {
    if (listeners > 1) (void)share_sockets(pconf, main_server); // refuses nothing but a wrong place
    socket_groups().sockets_each = ap_setup_listeners(main_server);
    if (socket_groups().sockets_each < 1) {
        log(LogId::no_sockets);
        return !OK;
    }
    ap_unixd_mpm_retained_data *retained = ap_unixd_mpm_get_retained_data();
    // A graceful restart keeps their number: the sockets of one that went would lose connections.
    if (one_process)
        retained->num_buckets = 1;
    else if (!retained->was_graceful)
        retained->num_buckets = static_cast<int>(listeners);
    const apr_status_t result =
        ap_duplicate_listeners(pconf, main_server, &socket_groups().first, &retained->num_buckets);
    socket_groups().count = retained->num_buckets;
    if (result != APR_SUCCESS || !collect_descriptors(pconf)) {
        log(LogId::sockets_not_ready, retained->num_buckets, words(result));
        return !OK;
    }
    return OK;
}

int answer_query(int code, int *answer, apr_status_t *status) {
    const Settings &now = settings();
    *status = APR_SUCCESS;
    switch (code) {
    case AP_MPMQ_IS_ASYNC: *answer = 1; break; // one thread, but it never waits inside a connection for a next request
    case AP_MPMQ_IS_THREADED: *answer = AP_MPMQ_NOT_SUPPORTED; break;
    case AP_MPMQ_IS_FORKED: *answer = AP_MPMQ_DYNAMIC; break;
    case AP_MPMQ_MAX_DAEMON_USED: // every slot may be in use
    case AP_MPMQ_HARD_LIMIT_DAEMONS: *answer = static_cast<int>(now.slot_limit); break;
    case AP_MPMQ_HARD_LIMIT_THREADS: *answer = 1; break;
    case AP_MPMQ_MAX_THREADS: *answer = 1; break;
    case AP_MPMQ_MIN_SPARE_DAEMONS: *answer = static_cast<int>(now.min_spares); break;
    case AP_MPMQ_MIN_SPARE_THREADS: *answer = 0; break;
    case AP_MPMQ_MAX_SPARE_DAEMONS: *answer = static_cast<int>(now.max_spares); break;
    case AP_MPMQ_MAX_SPARE_THREADS: *answer = 0; break;
    case AP_MPMQ_MAX_REQUESTS_DAEMON: *answer = ap_max_requests_per_child; break;
    case AP_MPMQ_MAX_DAEMONS: *answer = static_cast<int>(now.max_workers); break;
    case AP_MPMQ_MPM_STATE: *answer = ap_unixd_mpm_get_retained_data()->mpm_state; break;
    case AP_MPMQ_GENERATION: *answer = ap_unixd_mpm_get_retained_data()->my_generation; break;
    default: *status = APR_ENOTIMPL; break;
    }
    return OK;
}

void note_running_configuration(apr_pool_t *pconf, apr_pool_t *plog, server_rec *main_server) {
    configuration_pool = pconf;
    log_pool = plog;
    ap_server_conf = main_server;
}

bool is_one_process() { return one_process; }

apr_pool_t *pconf() { return configuration_pool; }
apr_pool_t *plog() { return log_pool; }

SocketGroups &socket_groups() {
    static constinit SocketGroups groups;
    return groups;
}

} // namespace itk2::httpd
