// What it is: which of its parent's descriptors a process goes on with. What it has no use for becomes /dev/null under
// its old number: whoever believes to have it open still may use and close that number.
// Stay: files open for reading, null and random devices, and empty files open for writing but not appending, which are
// locks. Go: sockets, pipes, directories, files open for writing, and whatever else there is.
#pragma once

#include "base/result.h"

#include <span>

namespace itk2::os {

struct Manifest {
    std::span<const int> kept; // stay whatever they are
    bool may_talk = false;     // pipes whose other end is not this process's own stay too
};

// For a process with one thread. Steps close_descriptors, verify_proc. `unknown` gets the descriptor that can't be
// accounted for, or -1.
Result hold_only(const Manifest &manifest, int &unknown);
Result verify_held(const Manifest &manifest, int &unknown);

// /dev/null in the place of `fd`. Step close_descriptors.
Result put_null(int fd);

} // namespace itk2::os
