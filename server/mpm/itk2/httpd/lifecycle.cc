// What it is: the master's calls into httpd.
#include "httpd/lifecycle.h"

#include "httpd/config.h"
#include "httpd/lifecycle_state.h"
#include "httpd/log.h"
#include "httpd/routes.h"
#include "httpd/settings.h"

namespace itk2::httpd {
namespace {

constexpr apr_interval_time_t monitor_every = 10 * APR_USEC_PER_SEC;

ap_unixd_mpm_retained_data &retained() { return *ap_unixd_mpm_get_retained_data(); }

struct Retained {
    std::uint32_t layout;
};

// Else each slot has a page of its own: see board.h.
bool tells_of_slots() { return !settings().started_as_root || is_one_process(); }

} // namespace

Asked asked() {
    return {retained().shutdown_pending != 0, retained().restart_pending != 0, retained().is_ungraceful != 0};
}

void take_back_stop() {
    retained().shutdown_pending = 0;
    retained().is_ungraceful = 0;
}

void *retained_memory(std::size_t size, std::uint32_t layout) {
    static constexpr char key[] = "mpm_itk2_module master";
    static constexpr std::size_t alignment = 64;
    void *memory = ap_retained_data_get(key);
    if (memory == nullptr) {
        memory = ap_retained_data_create(key, static_cast<apr_size_t>(size + alignment));
        static_cast<Retained *>(memory)->layout = layout;
    }
    if (static_cast<Retained *>(memory)->layout != layout) return nullptr;
    return static_cast<char *>(memory) + alignment;
}

bool begin_generation() {
    ap_log_pid(pconf(), ap_pid_fname);
    if (!is_graceful_restart()) {
        if (ap_run_pre_mpm(ap_server_conf->process->pool, SB_SHARED) != OK) {
            retained().mpm_state = AP_MPMQ_STOPPING;
            return false;
        }
    }
    ap_scoreboard_image->global->running_generation = retained().my_generation;
    ap_unixd_mpm_set_signals(pconf(), is_one_process());
    return true;
}

void note_running() {
    log(LogId::configured, ap_get_server_description());
    ap_log_command_line(plog(), ap_server_conf);
    ap_log_mpm_common(ap_server_conf);
    retained().mpm_state = AP_MPMQ_RUNNING;
}

Generation generation() { return Generation{static_cast<std::uint32_t>(retained().my_generation)}; }

bool is_graceful_restart() { return retained().was_graceful != 0; }

void advance_generation() {
    retained().mpm_state = AP_MPMQ_STOPPING;
    retained().my_generation++;
    ap_scoreboard_image->global->running_generation = retained().my_generation;
}

void remove_pid_file() { ap_remove_pid(pconf(), ap_pid_fname); }

void run_monitors() {
    static constinit apr_time_t last = 0;
    ap_update_global_status();
    const apr_time_t now = apr_time_now();
    if (now - last < monitor_every && now >= last) return;
    last = now;
    ap_run_monitor(pconf(), ap_server_conf);
}

void note_child_started(pid_t pid, Generation generation) {
    ap_run_child_status(ap_server_conf, pid, static_cast<int>(number(generation)), -1, MPM_CHILD_STARTED);
}

void note_child_ended(pid_t pid, Generation generation) {
    ap_run_child_status(ap_server_conf, pid, static_cast<int>(number(generation)), -1, MPM_CHILD_EXITED);
}

void show_worker(Slot slot, pid_t pid, Generation generation) {
    const int place = static_cast<int>(number(slot));
    process_score *process = ap_get_scoreboard_process(place);
    if (process == nullptr) return;
    process->pid = pid;
    process->generation = static_cast<ap_generation_t>(number(generation));
    process->quiescing = 0;
    if (tells_of_slots()) ap_get_scoreboard_worker_from_indexes(place, 0)->status = SERVER_STARTING;
}

void show_nobody(Slot slot) {
    const int place = static_cast<int>(number(slot));
    process_score *process = ap_get_scoreboard_process(place);
    if (process == nullptr) return;
    process->pid = 0;
    if (tells_of_slots()) ap_get_scoreboard_worker_from_indexes(place, 0)->status = SERVER_DEAD;
}

bool note_other_child_ended(pid_t pid, int wait_status) {
    apr_proc_t process{};
    process.pid = pid;
    return apr_proc_other_child_alert(&process, APR_OC_REASON_DEATH, wait_status) == APR_SUCCESS;
}

std::span<const int> listening_sockets(std::uint32_t listener) {
    const std::size_t each = static_cast<std::size_t>(socket_groups().sockets_each);
    return {socket_groups().descriptors + listener * each, each};
}

std::uint32_t listener_count() { return static_cast<std::uint32_t>(socket_groups().count); }

void close_listening_sockets() { ap_close_listeners(); }

std::uint32_t graceful_stop_timeout_s() { return static_cast<std::uint32_t>(ap_graceful_shutdown_timeout); }

void vhost_name(VhostIndex vhost, const char *&name, std::uint16_t &port) {
    const server_rec *server = server_at(ap_server_conf, vhost);
    if (server == nullptr) server = ap_server_conf;
    const VhostName found = name_of(server);
    name = found.name;
    port = found.port;
}

} // namespace itk2::httpd
