// What it is: see memfd.h.
#include "os/memfd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace itk2::os {

namespace {

constexpr int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

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

} // namespace

Result make_sealed_memfd(const char *name, ByteView bytes, Fd &fd) {
    constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    Fd made{memfd_create(name, flags | never_executable)};
    if (!made.is_open() && errno == EINVAL) made.reset(memfd_create(name, flags));
    if (!made.is_open()) return failed(Step::make_memfd);
    if (const Result result = write_all(made.get(), bytes); !result.ok()) return result;
    if (fcntl(made.get(), F_ADD_SEALS, seals) != 0) return failed(Step::seal_memfd);
    if (const Result result = verify_sealed(made.get()); !result.ok()) return result;
    fd = std::move(made);
    return success;
}

Result verify_sealed(int fd) {
    const int seen = fcntl(fd, F_GET_SEALS);
    if (seen < 0) return failed(Step::seal_memfd);
    return (seen & seals) == seals ? success : refused(Step::seal_memfd, EPERM);
}

Mapping::Mapping(Mapping &&other) noexcept
    : start_(std::exchange(other.start_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Mapping &Mapping::operator=(Mapping &&other) noexcept {
    if (this != &other) {
        if (start_) munmap(start_, size_);
        start_ = std::exchange(other.start_, nullptr);
        size_ = std::exchange(other.size_, 0);
    }
    return *this;
}

Mapping::~Mapping() {
    if (start_) munmap(start_, size_);
}

Result map_sealed(int fd, Mapping &mapping) {
    // Before the size is read: sealed, it can't change any more.
    if (const Result result = verify_sealed(fd); !result.ok()) return result;
    struct stat about {};
    if (fstat(fd, &about) != 0) return failed(Step::map_memory);
    Mapping made;
    if (about.st_size > 0) {
        void *start = mmap(nullptr, static_cast<std::size_t>(about.st_size), PROT_READ, MAP_SHARED, fd, 0);
        if (start == MAP_FAILED) return failed(Step::map_memory);
        made.start_ = start;
        made.size_ = static_cast<std::size_t>(about.st_size);
    }
    mapping = std::move(made);
    return success;
}

} // namespace itk2::os
