// What it is: bytes that nobody can change any more, handed over as a descriptor; and a view of them.
// Distrusts: a descriptor from elsewhere: it is mapped only when its seals hold.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "os/fd.h"

#include <cstddef>

namespace itk2::os {

// Makes a memfd that holds these bytes, sealed against writing, growing, shrinking and other seals.
// `name` shows in /proc only. Close-on-exec. Steps make_memfd (ENOMEM, EMFILE), seal_memfd.
Result make_sealed_memfd(const char *name, ByteView bytes, Fd &fd);
// Step seal_memfd: EINVAL where it is no memfd; EPERM where a seal is missing.
Result verify_sealed(int fd);

// A read-only view of a descriptor's bytes; outlives the descriptor.
class Mapping {
  public:
    Mapping() = default;
    Mapping(Mapping &&other) noexcept;
    Mapping &operator=(Mapping &&other) noexcept;
    ~Mapping();

    [[nodiscard]] ByteView bytes() const { return {static_cast<const std::uint8_t *>(start_), size_}; }

  private:
    friend Result map_sealed(int fd, Mapping &mapping);
    void *start_ = nullptr;
    std::size_t size_ = 0;
};

// Maps a sealed memfd read-only. Steps seal_memfd, map_memory. An empty one yields no bytes.
Result map_sealed(int fd, Mapping &mapping);

} // namespace itk2::os
