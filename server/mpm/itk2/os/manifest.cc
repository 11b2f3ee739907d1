// What it is: see manifest.h.
#include "os/manifest.h"

#include "base/growing_array.h"
#include "os/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/major.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstdlib>

namespace itk2::os {

namespace {

// Calls use(fd, list) for every descriptor but the list's own, until it says no.
template <typename Use> Result each_descriptor(Use use) {
    DIR *open_files = opendir("/proc/self/fd");
    if (!open_files) return failed(Step::verify_proc);
    errno = 0;
    Result result = success;
    while (const dirent *entry = readdir(open_files)) {
        if (entry->d_name[0] == '.') continue;
        const int fd = atoi(entry->d_name);
        if (fd != dirfd(open_files) && !use(fd)) break;
        errno = 0;
    }
    if (errno != 0) result = failed(Step::verify_proc);
    closedir(open_files);
    return result;
}

// A module's conversation with a program has one end here; a pipe to a program that logs has both.
bool has_other_end_here(int fd, const struct stat &about) {
    bool found = false;
    const Result looked = each_descriptor([&](int other) {
        struct stat others {};
        found = other != fd && fstat(other, &others) == 0 && S_ISFIFO(others.st_mode) &&
                others.st_dev == about.st_dev && others.st_ino == about.st_ino;
        return !found;
    });
    return found || !looked.ok();
}

bool may_stay(int fd, const Manifest &manifest) {
    if (std::find(manifest.kept.begin(), manifest.kept.end(), fd) != manifest.kept.end()) return true;
    const int flags = fcntl(fd, F_GETFL);
    struct stat about {};
    if (flags < 0 || (flags & O_PATH) != 0 || fstat(fd, &about) != 0) return false;
    if (S_ISCHR(about.st_mode)) return major(about.st_rdev) == MEM_MAJOR && minor(about.st_rdev) >= 3;
    if (S_ISREG(about.st_mode))
        return (flags & O_ACCMODE) == O_RDONLY || ((flags & O_APPEND) == 0 && about.st_size == 0);
    return S_ISFIFO(about.st_mode) && manifest.may_talk && !has_other_end_here(fd, about);
}

} // namespace

Result put_null(int fd) {
    const Fd null{open("/dev/null", O_RDWR | O_CLOEXEC)};
    if (!null.is_open()) return failed(Step::close_descriptors);
    if (null.get() == fd) return refused(Step::close_descriptors, EBADF); // nothing had that number
    return dup3(null.get(), fd, fd <= STDERR_FILENO ? 0 : O_CLOEXEC) < 0 ? failed(Step::close_descriptors) : success;
}

// All are judged before any goes: with one end of a pipe gone, the other would look like a conversation.
Result hold_only(const Manifest &manifest, int &unknown) {
    GrowingArray<int> going;
    const Result looked = each_descriptor([&](int fd) {
        if (!may_stay(fd, manifest)) going.add(fd);
        return true;
    });
    if (!looked.ok()) return looked;
    if (going.has_failed()) return refused(Step::close_descriptors, ENOMEM);
    for (const int fd : going.items())
        if (const Result result = put_null(fd); !result.ok()) return result;
    return verify_held(manifest, unknown);
}

Result verify_held(const Manifest &manifest, int &unknown) {
    unknown = -1;
    const Result looked = each_descriptor([&](int fd) {
        if (!may_stay(fd, manifest)) unknown = fd;
        return unknown < 0;
    });
    if (!looked.ok()) return looked;
    return unknown < 0 ? success : refused(Step::close_descriptors);
}

} // namespace itk2::os
