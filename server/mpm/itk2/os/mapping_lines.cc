// What it is: see mapping_lines.h.
#include "os/mapping_lines.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace itk2::os {

MappingLines::MappingLines(const char *path) : file_(open(path, O_RDONLY | O_CLOEXEC)) { failed_ = !file_.is_open(); }

const char *MappingLines::next() {
    std::size_t length = 0;
    for (;;) {
        if (at_ == end_ && !fill()) return nullptr;
        const char c = buffer_[at_++];
        if (c == '\n') break;
        if (length + 1 < sizeof line_) line_[length++] = c;
    }
    line_[length] = '\0';
    return line_;
}

bool MappingLines::fill() {
    ssize_t length;
    do length = read(file_.get(), buffer_, sizeof buffer_);
    while (length < 0 && errno == EINTR);
    if (length < 0) failed_ = true;
    at_ = 0;
    end_ = length > 0 ? static_cast<std::size_t>(length) : 0;
    return length > 0;
}

// "7f0000000000-7f0000001000 rw-s 00000000 00:01 14888    /dev/zero (deleted)"
bool read_mapping(const char *line, MappingLine &into) {
    unsigned long start, end, offset, inode;
    unsigned major_number, minor_number;
    if (sscanf(line, "%lx-%lx %7s %lx %x:%x %lu", &start, &end, into.permissions, &offset, &major_number, &minor_number,
               &inode) != 7 ||
        strlen(into.permissions) != 4)
        return false;
    into.start = start;
    into.end = end;
    into.offset = offset;
    into.device = makedev(major_number, minor_number);
    into.inode = inode;
    return true;
}

} // namespace itk2::os
