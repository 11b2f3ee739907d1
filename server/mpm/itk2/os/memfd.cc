// What it is: see memfd.h.
#include "os/memfd.h"

#include "os/clock.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

namespace itk2::os {

namespace {

constexpr int seals_of_size = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;
constexpr int all_seals = seals_of_size | F_SEAL_WRITE;

// Since Linux 6.3: never executable, and no complaint in the kernel's log. Older headers lack the name, older kernels
// the flag.
constexpr unsigned never_executable = 0x0008U;

Result write_all(int fd, ByteView bytes) {
    while (!bytes.empty()) {
        const ssize_t written = write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return failed(Step::make_memfd);
        if (written == 0) return refused(Step::make_memfd, ENOSPC);
        bytes = bytes.last(bytes.size() - static_cast<std::size_t>(written));
    }
    return success;
}

Result make_memfd(const char *name, Fd &fd) {
    constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    fd.reset(memfd_create(name, flags | never_executable));
    if (!fd.is_open() && errno == EINVAL) fd.reset(memfd_create(name, flags));
    return fd.is_open() ? success : failed(Step::make_memfd);
}

// The kernel takes a page into its own hands now and then (to move it, to look whether it is in use) and does not seal
// against writing meanwhile: it waits 150 ms for it, then says EBUSY. So long that this passes on a busy machine.
constexpr std::int64_t busy_ms = 10'000;

Result seal(int fd, int seals) {
    const std::int64_t deadline_ms = monotonic_ms() + busy_ms;
    while (fcntl(fd, F_ADD_SEALS, seals) != 0) {
        if (const int error = errno; error != EBUSY || monotonic_ms() >= deadline_ms)
            return refused(Step::seal_memfd, error);
        sleep_briefly();
    }
    return success;
}

// Of the seals there may be, these and no other.
Result verify_seals(int fd, int seals) {
    const int seen = fcntl(fd, F_GET_SEALS);
    if (seen < 0) return failed(Step::seal_memfd);
    return (seen & all_seals) == seals ? success : refused(Step::seal_memfd, EPERM);
}

Result map(int fd, std::size_t size, int protection, Pages &pages) {
    void *start = mmap(nullptr, size, protection, MAP_SHARED, fd, 0);
    if (start == MAP_FAILED) return failed(Step::map_memory);
    pages = Pages{start, size};
    return success;
}

} // namespace

Result make_sealed_memfd(const char *name, ByteView bytes, Fd &fd) {
    Fd made;
    Result result = make_memfd(name, made);
    if (result.ok()) result = write_all(made.get(), bytes);
    if (result.ok()) result = seal_memfd(made.get());
    if (result.ok()) fd = std::move(made);
    return result;
}

Result verify_sealed(int fd) { return verify_seals(fd, all_seals); }

Result make_shared_memfd(const char *name, std::size_t size, Fd &fd) {
    Fd made;
    Result result = make_memfd(name, made);
    if (result.ok() && fallocate(made.get(), 0, 0, static_cast<off_t>(size)) != 0) result = failed(Step::make_memfd);
    if (result.ok()) result = seal_memfd_size(made.get());
    if (result.ok()) fd = std::move(made);
    return result;
}

Result open_memfd_to_read(int fd, Fd &reader) {
    if (fchmod(fd, S_IRUSR) != 0) return failed(Step::make_memfd);
    char name[32];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    reader.reset(open(name, O_RDONLY | O_CLOEXEC));
    return reader.is_open() ? success : failed(Step::make_memfd);
}

Result make_sparse_memfd(const char *name, std::size_t size, Fd &fd) {
    Fd made;
    Result result = make_memfd(name, made);
    if (result.ok() && ftruncate(made.get(), static_cast<off_t>(size)) != 0) result = failed(Step::make_memfd);
    if (result.ok()) fd = std::move(made);
    return result;
}

Result seal_memfd(int fd) {
    const Result result = seal(fd, all_seals);
    return result.ok() ? verify_sealed(fd) : result;
}

Result seal_memfd_size(int fd) {
    const Result result = seal(fd, seals_of_size);
    return result.ok() ? verify_shared(fd) : result;
}

Result verify_shared(int fd) { return verify_seals(fd, seals_of_size); }

Pages::Pages(Pages &&other) noexcept
    : start_(std::exchange(other.start_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Pages &Pages::operator=(Pages &&other) noexcept {
    if (this != &other) {
        if (start_) munmap(start_, size_);
        start_ = std::exchange(other.start_, nullptr);
        size_ = std::exchange(other.size_, 0);
    }
    return *this;
}

Pages::~Pages() {
    if (start_) munmap(start_, size_);
}

Result map_sealed(int fd, Mapping &mapping) {
    // Before the size is read: sealed, it can't change any more.
    if (const Result result = verify_sealed(fd); !result.ok()) return result;
    struct stat about {};
    if (fstat(fd, &about) != 0) return failed(Step::map_memory);
    Pages made;
    if (about.st_size > 0) {
        const Result mapped = map(fd, static_cast<std::size_t>(about.st_size), PROT_READ, made);
        if (!mapped.ok()) return mapped;
    }
    mapping.pages_ = std::move(made);
    return success;
}

Result map_shared(int fd, std::size_t size, SharedMapping &mapping) {
    // As above.
    if (const Result result = verify_shared(fd); !result.ok()) return result;
    struct stat about {};
    if (fstat(fd, &about) != 0) return failed(Step::map_memory);
    if (static_cast<std::size_t>(about.st_size) != size) return refused(Step::map_memory, EINVAL);
    return map(fd, size, PROT_READ | PROT_WRITE, mapping.pages_);
}

} // namespace itk2::os
