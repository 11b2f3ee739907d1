// What it is: a worker's birth and end, as httpd's modules see them.
#include "httpd/serving.h"

#include "httpd/log.h"
#include "httpd/process.h"
#include "os/process.h"

#include "httpd/apache.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

namespace itk2::httpd {
namespace {

enum class Birth : std::uint8_t { worker, parser };

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

// Modules that start threads in their child_init, which would keep the capabilities of a parser. What they do there can
// wait: mod_http2 does not serve under an MPM like this one.
constexpr const char *thread_starters[] = {"mod_http2.c", "mod_watchdog.c"};

bool starts_threads(const char *module) {
    for (const char *known : thread_starters)
        if (module != nullptr && strcmp(module, known) == 0) return true;
    return false;
}

// child_init of the modules that do, or that don't, one after the other. `failed_module`: whose hook has started a thread
// where none may be.
Result run_child_init_of(bool thread_starting, bool one_thread, const char *&failed_module) {
    const apr_array_header_t *hooks = ap_hook_get_child_init();
    for (int i = 0; hooks != nullptr && i < hooks->nelts; i++) {
        const auto &hook = APR_ARRAY_IDX(hooks, i, ap_LINK_child_init_t);
        if (starts_threads(hook.szName) != thread_starting) continue;
        hook.pFunc(process().pool, ap_server_conf);
        if (!one_thread) continue;
        failed_module = hook.szName;
        if (const Result result = os::verify_one_thread(); !result.ok()) return result;
    }
    return success;
}

// Threads that a module starts must not be the ones that signals interrupt.
class NoSignals {
  public:
    NoSignals() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, &before_);
    }
    ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    NoSignals(const NoSignals &) = delete;
    NoSignals &operator=(const NoSignals &) = delete;

  private:
    sigset_t before_;
};

Result run_child_init(Birth birth) {
    const NoSignals quiet;
    if (birth == Birth::worker) {
        ap_run_child_init(process().pool, ap_server_conf);
        return success;
    }
    const char *module = nullptr;
    const Result result = run_child_init_of(false, true, module);
    if (!result.ok()) log(LogId::thread_in_parser, module == nullptr ? "a module" : module);
    return result;
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

Result begin(Slot slot, Birth birth) {
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
    if (const Result result = run_child_init(birth); !result.ok()) return result;

    self.buckets = apr_bucket_alloc_create(self.pool);
    ap_create_sb_handle(&self.score, self.pool, static_cast<int>(number(slot)), 0);
    ap_update_child_status(self.score, SERVER_READY, nullptr);
    return success;
}

} // namespace

Result begin_serving(Slot slot, IdentityKey key, const plan::Identity &identity) {
    process().identity = key;
    process().self = identity;
    return begin(slot, Birth::worker);
}

Result begin_parsing(Slot slot, const Become &become) {
    process().become = become;
    return begin(slot, Birth::parser);
}

void note_identity(IdentityKey key, const plan::Identity &identity) {
    process().identity = key;
    process().self = identity;
    const NoSignals quiet;
    const char *module = nullptr;
    (void)run_child_init_of(true, false, module);
}

bool is_identified() { return process().identity != no_identity; }

void note_way(const Way &way) { process().way = way; }

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
