// What it is: see descriptors.h.
#include "os/descriptors.h"

#include "os/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace itk2::os {

namespace {

// Where the kernel has no close_range (before 5.9), or a filter hides it. Closing while reading the directory may skip
// entries, so it is read until a whole turn has closed nothing.
Result close_listed(unsigned first, unsigned last) {
    for (bool closed = true; closed;) {
        closed = false;
        DIR *open_files = opendir("/proc/self/fd");
        if (!open_files) return failed(Step::close_descriptors);
        errno = 0;
        while (const dirent *entry = readdir(open_files)) {
            if (entry->d_name[0] == '.') continue;
            const int fd = atoi(entry->d_name);
            const auto place = static_cast<unsigned>(fd);
            if (fd == dirfd(open_files) || place < first || place > last) continue;
            close(fd);
            closed = true;
            errno = 0;
        }
        const Result read = errno != 0 ? failed(Step::close_descriptors) : success;
        closedir(open_files);
        if (!read.ok()) return read;
    }
    return success;
}

Result close_run(unsigned first, unsigned last) {
    if (first > last) return success;
    if (syscall(SYS_close_range, first, last, 0) == 0) return success;
    if (errno != ENOSYS && errno != EPERM) return failed(Step::close_descriptors);
    return close_listed(first, last);
}

} // namespace

Result close_all_but(std::span<const int> keep) {
    unsigned first = 0;
    for (const int fd : keep) {
        const auto kept = static_cast<unsigned>(fd);
        if (fd < 0 || kept < first) return refused(Step::close_descriptors, EINVAL);
        if (kept > first)
            if (const Result result = close_run(first, kept - 1); !result.ok()) return result;
        first = kept + 1;
    }
    return close_run(first, ~0U);
}

void close_each(std::span<int> descriptors) {
    std::sort(descriptors.begin(), descriptors.end());
    for (std::size_t at = 0, next = 0; at < descriptors.size(); at = next) {
        for (next = at + 1; next < descriptors.size() && descriptors[next] == descriptors[next - 1] + 1;) next++;
        const auto run = descriptors.subspan(at, next - at);
        if (run.size() > 1 && syscall(SYS_close_range, run.front(), run.back(), 0) == 0) continue;
        for (const int fd : run) close(fd);
    }
}

Result verify_only_open(std::span<const int> keep, int &unknown) {
    unknown = -1;
    DIR *open_files = opendir("/proc/self/fd");
    if (!open_files) return failed(Step::verify_proc);
    const int own = dirfd(open_files);
    errno = 0;
    while (const dirent *entry = readdir(open_files)) {
        if (entry->d_name[0] == '.') continue;
        const int fd = atoi(entry->d_name);
        if (fd == own || std::find(keep.begin(), keep.end(), fd) != keep.end()) continue;
        unknown = fd;
        break;
    }
    const Result read = unknown < 0 && errno != 0 ? failed(Step::verify_proc) : success;
    closedir(open_files);
    if (!read.ok()) return read;
    return unknown < 0 ? success : refused(Step::close_descriptors);
}

Result hand_on(int fd, int number) {
    if (fd != number) {
        if (dup2(fd, number) < 0) return failed(Step::close_descriptors);
        close(fd);
        return success; // a duplicate is not close-on-exec
    }
    if (fcntl(fd, F_SETFD, 0) != 0) return failed(Step::close_descriptors);
    return success;
}

} // namespace itk2::os
