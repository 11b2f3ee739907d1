// What it is: starting a listener and talking to it. Runs as: the master.
#include "role/listener_process.h"

#include "base/exit_code.h"
#include "httpd/settings.h"
#include "os/clock.h"
#include "os/credentials.h"
#include "os/descriptors.h"
#include "os/process.h"
#include "os/signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>

namespace itk2::role {
namespace {

constexpr int first_free_descriptor = 10;

// In the child, between fork and exec: no memory is allocated, nothing of httpd is called.
Result become_program(const wire::LowerEnd &channel, std::uint32_t number, pid_t master) {
    const httpd::Settings &settings = httpd::settings();
    // Out of the way first, so that taking one number does not close the other.
    const int down = fcntl(channel.down.get(), F_DUPFD, first_free_descriptor);
    const int up = fcntl(channel.up.get(), F_DUPFD, first_free_descriptor);
    if (down < 0 || up < 0) return failed(Step::start_program);
    Result result = os::hand_on(down, 3);
    if (result.ok()) result = os::hand_on(up, 4);
    constexpr std::array kept = {0, 1, 2, 3, 4};
    if (result.ok()) result = os::close_all_but(kept);
    os::restore_default_signals();
    // Who shares the master's session could type at the terminal that the server was started from.
    if (result.ok()) result = os::start_session();
    if (result.ok() && settings.started_as_root)
        result = os::become_listener(settings.listener_uid, settings.listener_gid);
    if (!result.ok()) return result;

    char title[32], number_text[16], master_text[16];
    snprintf(title, sizeof title, "itk2: listener %u", number);
    snprintf(number_text, sizeof number_text, "%u", number);
    snprintf(master_text, sizeof master_text, "%d", static_cast<int>(master));
    char *const arguments[] = {title, number_text, master_text, nullptr};
    char *const environment[] = {nullptr};
    execve(settings.listener_program, arguments, environment);
    return failed(Step::start_program);
}

} // namespace

Result start_listener(ListenerProcess &listener, std::uint32_t number) {
    wire::UpperEnd upper;
    wire::LowerEnd lower;
    const Result made = wire::make_channel(upper, lower);
    if (!made.ok()) return made;
    const pid_t master = getpid();
    // A signal for the child must not meet the master's handlers in it.
    const os::SignalsBlocked blocked;
    const pid_t pid = fork();
    if (pid < 0) return failed(Step::fork_child);
    if (pid == 0) {
        const Result result = become_program(lower, number, master);
        // The words of LogId::step_failed: httpd's log is not to be called here.
        dprintf(STDERR_FILENO, "ITK2401: listener %u (pid %d): step %s failed: errno %d; nothing was served\n", number,
                static_cast<int>(getpid()), step_name(result.step), result.error);
        _exit(status(ExitCode::failed_at_birth));
    }
    listener.pid = pid;
    listener.down = upper.down.release();
    listener.up = upper.up.release();
    listener.since_ms = os::monotonic_ms();
    listener.ready = Generation{UINT32_MAX};
    listener.is_drained = false;
    listener.reader = wire::UpReader{};
    return success;
}

Result tell(ListenerProcess &listener, ByteView message, std::span<const int> descriptors) {
    return wire::send_down_patiently(listener.down, message, descriptors);
}

Result tell_generation(ListenerProcess &listener, Generation generation, std::span<const int> sockets,
                       std::span<const int> memory) {
    for (std::size_t first = 0; first < sockets.size(); first += wire::max_sockets_a_message) {
        const std::size_t left = sockets.size() - first;
        const std::size_t count = left < wire::max_sockets_a_message ? left : wire::max_sockets_a_message;
        wire::Sockets message;
        message.first = static_cast<std::uint32_t>(first);
        const Result result = tell(listener, wire::encode(message), {sockets.data() + first, count});
        if (!result.ok()) return result;
    }
    wire::NewGeneration message;
    message.generation = generation;
    message.socket_count = static_cast<std::uint32_t>(sockets.size());
    return tell(listener, wire::encode(message), memory);
}

void forget(ListenerProcess &listener) {
    if (listener.down >= 0) close(listener.down);
    if (listener.up >= 0) close(listener.up);
    listener.down = listener.up = -1;
    listener.pid = 0;
}

} // namespace itk2::role
