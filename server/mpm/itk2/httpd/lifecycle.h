// What it is: what the master asks of httpd, and tells it, over its life: signals, restarts, scoreboard, pid file,
// children. No httpd type, so that role/ can be read and tested without httpd.
// Runs as: the master. Writes the scoreboard, and never reads it: children can write it.
#pragma once

#include "base/ids.h"

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace itk2::httpd {

// What signals have asked for since the server began to run.
struct Asked {
    bool stop = false;
    bool restart = false;
    bool at_once = false; // TERM, HUP; else gracefully: WINCH, USR1
};
Asked asked();
// Takes back a graceful stop that has been begun, so that asked() shows the next signal.
void take_back_stop();

// Memory that outlives reloads of the module, zeros at first; nullptr where another version of the module made it.
void *retained_memory(std::size_t size, std::uint32_t layout);

// Begins a generation: pid file, scoreboard (fresh unless this is a graceful restart), signal handlers.
// False after a line in the log.
[[nodiscard]] bool begin_generation();
// Logs what is running, and tells mod_status and friends that it is.
void note_running();
[[nodiscard]] Generation generation();
[[nodiscard]] bool is_graceful_restart();
// -X: this process alone serves, as the first request's identity.
[[nodiscard]] bool is_one_process();
// Ends a generation, before the configuration is read again.
void advance_generation();
void remove_pid_file();

// What every 10 seconds and every second at most is due.
void run_monitors();

// In balance: one ended for each started.
void note_child_started(pid_t pid, Generation generation);
void note_child_ended(pid_t pid, Generation generation);
// The scoreboard's slot shows this worker; shows nobody.
void show_worker(Slot slot, pid_t pid, Generation generation);
void show_nobody(Slot slot);

// A process that is none of the master's own: a piped log, say. False when nobody knows it.
bool note_other_child_ended(pid_t pid, int wait_status);

// The listening sockets of one listener, in the order of the route table's sockets. They stay the master's.
std::span<const int> listening_sockets(std::uint32_t listener);
[[nodiscard]] std::uint32_t listener_count();
void close_listening_sockets();

// GracefulShutdownTimeout in seconds; 0: no limit.
[[nodiscard]] std::uint32_t graceful_stop_timeout_s();

// What a route table's vhost is called in the log.
void vhost_name(VhostIndex vhost, const char *&name, std::uint16_t &port);

} // namespace itk2::httpd
