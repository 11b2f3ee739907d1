// What it is: what the fuzz targets claim of what they try.
#pragma once

#include "os/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

namespace itk2::testing {

inline void require(bool holds) {
    if (!holds) std::abort();
}

struct Pipe {
    explicit Pipe(int flags = 0) {
        int ends[2];
        require(pipe2(ends, O_CLOEXEC | flags) == 0);
        reading.reset(ends[0]);
        writing.reset(ends[1]);
    }
    os::Fd reading, writing;
};

inline void put(const os::Fd &writing, const void *bytes, std::size_t size) {
    require(write(writing.get(), bytes, size) == static_cast<ssize_t>(size));
}

} // namespace itk2::testing
