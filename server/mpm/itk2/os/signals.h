// What it is: signals held back while a process is between two sets of handlers.
#pragma once

#include <csignal>

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

} // namespace itk2::os
