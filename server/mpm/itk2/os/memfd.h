// What it is: bytes that nobody can change any more, and counters that several processes write, both handed over as a
// descriptor; and views of them.
// Distrusts: a descriptor from elsewhere: it is mapped only when its seals hold.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "os/fd.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace itk2::os {

// Makes a memfd that holds these bytes, sealed against writing, growing, shrinking and other seals.
// `name` shows in /proc only. Close-on-exec. Steps make_memfd (ENOMEM, EMFILE), seal_memfd (EBUSY: a page of it has been
// in the kernel's hands for ten seconds).
Result make_sealed_memfd(const char *name, ByteView bytes, Fd &fd);
// Step seal_memfd: EINVAL where it is no memfd; EPERM where a seal is missing.
Result verify_sealed(int fd);

// Makes a memfd of `size` zeros that stays writable and keeps its size: sealed against growing, shrinking and other
// seals. Its memory is there at once, so that no later access can fail for want of it. Errors as above.
Result make_shared_memfd(const char *name, std::size_t size, Fd &fd);
// Step seal_memfd: EINVAL where it is no memfd; EPERM where a seal is missing, or one against writing is there.
Result verify_shared(int fd);

// The same memory once more, for reading: who maps it can't write to it, and nobody but root can open it for writing by
// its name in /proc. Step make_memfd.
Result open_memfd_to_read(int fd, Fd &reader);

// Makes a memfd of `size` bytes that are holes yet, not sealed so far. Its memory comes as it is written. Errors as above.
Result make_sparse_memfd(const char *name, std::size_t size, Fd &fd);
// Seals one as make_sealed_memfd() does, or as make_shared_memfd() does. Step seal_memfd.
Result seal_memfd(int fd);
Result seal_memfd_size(int fd);

// Mapped memory, until its end.
class Pages {
  public:
    Pages() = default;
    Pages(void *start, std::size_t size) : start_(start), size_(size) {}
    Pages(Pages &&other) noexcept;
    Pages &operator=(Pages &&other) noexcept;
    ~Pages();

    [[nodiscard]] void *start() const { return start_; }
    [[nodiscard]] std::size_t size() const { return size_; }

  private:
    void *start_ = nullptr;
    std::size_t size_ = 0;
};

// A read-only view of a descriptor's bytes; outlives the descriptor.
class Mapping {
  public:
    [[nodiscard]] ByteView bytes() const { return {static_cast<const std::uint8_t *>(pages_.start()), pages_.size()}; }

  private:
    friend Result map_sealed(int fd, Mapping &mapping);
    Pages pages_;
};

// Numbers that other processes read and write at the same time: to be touched through std::atomic_ref only.
class SharedMapping {
  public:
    [[nodiscard]] std::span<std::uint32_t> numbers() const {
        return {static_cast<std::uint32_t *>(pages_.start()), pages_.size() / sizeof(std::uint32_t)};
    }

  private:
    friend Result map_shared(int fd, std::size_t size, SharedMapping &mapping);
    Pages pages_;
};

// Maps a sealed memfd read-only. Steps seal_memfd, map_memory. An empty one yields no bytes.
Result map_sealed(int fd, Mapping &mapping);
// Maps a shared memfd of exactly this size, which is not 0. Steps seal_memfd, map_memory (EINVAL: another size).
Result map_shared(int fd, std::size_t size, SharedMapping &mapping);

} // namespace itk2::os
