// What it is: a worker's birth and end, as httpd's modules see them.
#include "httpd/serving.h"

#include "httpd/process.h"

#include "httpd/apache.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace itk2::httpd {
namespace {

apr_pool_t *make_child_pool() {
    apr_allocator_t *allocator = nullptr;
    if (apr_allocator_create(&allocator) != APR_SUCCESS) return nullptr;
    apr_allocator_max_free_set(allocator, ap_max_mem_free);
    apr_pool_t *pool = nullptr;
    if (apr_pool_create_ex(&pool, ap_server_conf->process->pconf, nullptr, allocator) != APR_SUCCESS) return nullptr;
    apr_allocator_owner_set(allocator, pool);
    apr_pool_tag(pool, "pchild");
    return pool;
}

apr_thread_t *main_thread(apr_pool_t *pool) {
    apr_thread_t *thread = nullptr;
#if AP_HAS_THREAD_LOCAL
    thread = ap_thread_current();
    if (thread == nullptr && ap_thread_main_create(&thread, pool) != APR_SUCCESS) return nullptr;
#else
    apr_os_thread_t self = apr_os_thread_current();
    apr_os_thread_put(&thread, &self, pool);
#endif
    return thread;
}

// Threads that a module starts must not be the ones that signals interrupt.
void run_child_init(apr_pool_t *pool) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    ap_run_child_init(pool, ap_server_conf);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

} // namespace

Process &process() {
    static constinit Process the_process;
    return the_process;
}

void note_stopping(bool stopping) {
    ap_unixd_mpm_get_retained_data()->mpm_state = stopping ? AP_MPMQ_STOPPING : AP_MPMQ_RUNNING;
}

void note_forked() {
#if AP_HAS_THREAD_LOCAL
    ap_thread_current_after_fork();
#endif
}

namespace {

Result begin(Slot slot) {
    Process &self = process();
    ap_unixd_mpm_get_retained_data()->mpm_state = AP_MPMQ_STARTING;
    ap_fatal_signal_child_setup(ap_server_conf);
    self.pool = make_child_pool();
    if (self.pool == nullptr) return refused(Step::child_init, ENOMEM);
    self.thread = main_thread(self.pool);
    if (self.thread == nullptr) return refused(Step::child_init, ENOMEM);
    self.connection_id = static_cast<long>(number(slot));

    ap_reopen_scoreboard(self.pool, nullptr, 0);
    // mod_unixd finds nothing left to drop, but for a site that is root: there it would try and fail.
    if (geteuid() != 0 && ap_run_drop_privileges(self.pool, ap_server_conf) != OK) return refused(Step::child_init);
    run_child_init(self.pool);

    self.buckets = apr_bucket_alloc_create(self.pool);
    ap_create_sb_handle(&self.score, self.pool, static_cast<int>(number(slot)), 0);
    ap_update_child_status(self.score, SERVER_READY, nullptr);
    return success;
}

} // namespace

Result begin_serving(Slot slot, IdentityKey key, const plan::Identity &identity) {
    note_identity(key, identity);
    return begin(slot);
}

Result begin_parsing(Slot slot, const Become &become) {
    process().become = become;
    return begin(slot);
}

void note_identity(IdentityKey key, const plan::Identity &identity) {
    process().identity = key;
    process().self = identity;
}

bool is_identified() { return process().identity != no_identity; }

void begin_finishing() { process().finishing = true; }

void leave(ExitCode code) {
    Process &self = process();
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    ap_unixd_mpm_get_retained_data()->mpm_state = AP_MPMQ_STOPPING;
    if (self.pool != nullptr) {
#if AP_MODULE_MAGIC_AT_LEAST(20120211, 121)
        if (code == ExitCode::retired) ap_run_child_stopping(self.pool, 0);
#endif
        apr_pool_destroy(self.pool);
    }
    exit(status(code));
}

} // namespace itk2::httpd
