// What it is: signals held back while a process is between two sets of handlers, and what a child has of its own.
#pragma once

#include <csignal>
#include <initializer_list>

namespace itk2::os {

// Blocks every signal; unblocks what was not blocked before at its end, or when a child says so.
class SignalsBlocked {
  public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, &before_);
    }
    ~SignalsBlocked() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked &) = delete;
    SignalsBlocked &operator=(const SignalsBlocked &) = delete;

  private:
    sigset_t before_;
};

inline void unblock_all_signals() {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Those that httpd handles or ignores, as a program starts with them; none is blocked.
inline void restore_default_signals() {
    for (const int number : {SIGTERM, SIGHUP, SIGINT, SIGUSR1, SIGWINCH, SIGCHLD, SIGPIPE}) signal(number, SIG_DFL);
    unblock_all_signals();
}

} // namespace itk2::os
