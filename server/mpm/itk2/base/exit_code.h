// What it is: how a child's exit status tells the master what became of it.
#pragma once

namespace itk2 {

enum class ExitCode : int {
    finished = 0,         // a spare or a listener: its peer is gone
    retired = 64,         // a worker: told to finish, and has; a module's own exit() is told apart by it
    cut_short = 65,       // a worker: ended by SIGTERM in the middle of a request
    failed_at_birth = 70, // a step before serving failed: throttle its class
    broken_peer = 71,     // a peer broke the protocol
    bad_arguments = 72,   // the listener program was started by something else than the master
};

constexpr int status(ExitCode code) { return static_cast<int>(code); }

} // namespace itk2
