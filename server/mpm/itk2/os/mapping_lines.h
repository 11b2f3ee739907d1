// What it is: the lines of /proc/self/maps and smaps, without memory of their own: what is read is the memory's.
// Trusts: /proc.
#pragma once

#include "os/fd.h"

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace itk2::os {

// A file's lines, each cut at what fits: what is looked for stands at their beginning.
class MappingLines {
  public:
    explicit MappingLines(const char *path);

    // The next line, or null: the end, or has_failed().
    const char *next();
    [[nodiscard]] bool has_failed() const { return failed_; }

  private:
    bool fill();

    Fd file_;
    bool failed_;
    char buffer_[16384] = {};
    char line_[160] = {};
    std::size_t at_ = 0;
    std::size_t end_ = 0;
};

struct MappingLine {
    std::uintptr_t start = 0;
    std::uintptr_t end = 0;
    std::uint64_t offset = 0;
    dev_t device = 0;
    ino_t inode = 0;     // 0: no file's
    char permissions[8]; // "rw-p"
};

// False: it is no line that begins a mapping.
bool read_mapping(const char *line, MappingLine &into);

} // namespace itk2::os
