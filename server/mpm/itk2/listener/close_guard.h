// What it is: keeps close() from waiting. A worker shares a connection's open file, and may ask for SO_LINGER between
// the listener's undoing of it and its close; close would then wait for the client as long as the worker said.
// A signal that keeps coming while connections are closed ends any such wait.
#pragma once

#include "base/result.h"

#include <cstdint>

namespace itk2::listener {

class CloseGuard {
  public:
    // Installs the handler. Step start_program.
    static Result install();

    // Before a close() that might wait.
    void before_close();
    // Once a wake-up: lets the signal rest when nothing was closed since it came last.
    void after_closes();

  private:
    bool ticking_ = false;
    std::uint32_t closes_ = 0; // since the last tick
    std::uint32_t seen_ = 0;   // ticks
};

} // namespace itk2::listener
