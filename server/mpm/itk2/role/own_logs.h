// What it is: the logs of one process: those it has been given, those that are its identity's alone, and for the rest a
// place where a line is not lost and nobody's log is touched: the server's own logs.
#pragma once

#include "base/growing_array.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/channel.h"

namespace itk2::role {

// At a child's birth, before it does anything: lets go of what the master holds for itself. Spares, which read nothing,
// go on with all logs; `kept` are their channels.
Result hold_manifest(std::span<const int> kept);

class OwnLogs {
  public:
    // Puts the logs of this message in their places.
    Result take(wire::Received &received);
    // All that is neither given nor this identity's alone (no_identity: nobody's) goes to the server's own logs.
    Result settle(IdentityKey identity);

  private:
    [[nodiscard]] bool has_been_given(int number) const;

    GrowingArray<int> given_;
};

} // namespace itk2::role
