// What it is: the interval timer behind the guard.
#include "listener/close_guard.h"

#include <sys/time.h>

#include <csignal>

namespace itk2::listener {
namespace {

// The longest that one close can keep everybody waiting.
constexpr suseconds_t tick_us = 50'000;

volatile sig_atomic_t ticks;

void tick(int) { ticks = ticks + 1; }

void set_timer(suseconds_t interval_us) {
    itimerval timer{};
    timer.it_interval.tv_usec = timer.it_value.tv_usec = interval_us;
    setitimer(ITIMER_REAL, &timer, nullptr);
}

} // namespace

Result CloseGuard::install() {
    struct sigaction action {};
    action.sa_handler = tick;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGALRM, &action, nullptr) == 0 ? success : failed(Step::start_program);
}

void CloseGuard::before_close() {
    closes_++;
    if (ticking_) return;
    ticking_ = true;
    set_timer(tick_us);
}

void CloseGuard::after_closes() {
    const auto now = static_cast<std::uint32_t>(ticks);
    if (!ticking_ || now == seen_) return;
    seen_ = now;
    if (closes_ == 0) {
        ticking_ = false;
        set_timer(0);
    }
    closes_ = 0;
}

} // namespace itk2::listener
