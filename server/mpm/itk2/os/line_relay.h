// What it is: carries what writers put into pipes, one pipe each, to the files it is for: whole lines, each in one piece.
// Trusts: nothing that it reads: a line that is not ended, or has no end, is ended before another writer's begins.
// Never does: wait for one writer while others have written; keep a line that somebody has written.
#pragma once

#include "base/result.h"
#include "os/fd.h"

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace itk2::os {

class LineRelay {
  public:
    LineRelay() = default;
    LineRelay(const LineRelay &) = delete;
    LineRelay &operator=(const LineRelay &) = delete;
    ~LineRelay();

    // Before anything else. `also`: a descriptor to wait for beside the pipes. Steps make_poller, watch_descriptor.
    Result open(int also);
    // From now on `source`, the reading end of a pipe, goes to `destination`. Several may go to the same file.
    // Steps make_poller, watch_descriptor, map_memory.
    Result add(Fd source, Fd destination);

    struct Turn {
        bool moved = false;      // there was something to carry
        bool also_ready = false; // the other descriptor is ready
    };
    // Waits for something to carry, `timeout_ms` at most (-1: for ever), and carries it.
    Turn turn(int timeout_ms);
    // Ends what is begun. Nothing more will come.
    void finish();

    [[nodiscard]] std::uint32_t count() const { return count_; }

  private:
    struct Destination;
    struct Source;

    Destination *find_or_make(Fd file);
    void release(Destination *destination);
    bool carry(Source &source);
    void end_line(Source &source);
    void remove(Source &source);

    Fd poller_;
    Source *sources_ = nullptr;
    Destination *destinations_ = nullptr;
    std::uint32_t count_ = 0;
    std::uint32_t unfinished_ = 0; // with the beginning of a line
};

} // namespace itk2::os
