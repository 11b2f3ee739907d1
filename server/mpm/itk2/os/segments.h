// What it is: the memory and the lock files that modules share among all children, as they were when the configuration
// had been read; and copies of them, of which each can be one identity's own.
// Runs as: copying, the process that has made them, which alone keeps them; replacing, a child of it.
// Never does: read memory that a child can write: whoever is forked leaves it, or takes another in its place.
#pragma once

#include "os/fd.h"
#include "os/memfd.h"
#include "os/shared_mappings.h"

#include <array>
#include <span>

namespace itk2::os {

inline constexpr std::size_t max_segments = 128;
inline constexpr std::size_t max_lock_files = 8;

// One mapping that is to be replaced.
struct Segment {
    SharedArea mapping;
    std::uint64_t place = 0; // in every copy
};

struct Segments {
    std::array<Segment, max_segments> segments;
    std::size_t count = 0;
    std::array<LockFile, max_lock_files> lock_files;
    std::size_t lock_file_count = 0;
    std::array<Inode, max_segments> kept; // stay shared among all
    std::size_t kept_count = 0;
    std::size_t copy_size = 0;

    [[nodiscard]] std::span<const Segment> all() const { return {segments.data(), count}; }
    [[nodiscard]] std::span<const Inode> kept_inodes() const { return {kept.data(), kept_count}; }
    [[nodiscard]] std::span<const LockFile> locks() const { return {lock_files.data(), lock_file_count}; }
};

// Finds them; but those that `keeps` says of, which stay as they are. Steps verify_proc; find_segments: ENOSPC where
// there are more than there may be, EACCES where one can't be read.
Result find_segments(bool (*keeps)(const Inode &inode), Segments &found);

// A copy of what is there now, sealed; of a page that nobody has written there is none. Without CAP_SYS_ADMIN or
// CAP_CHECKPOINT_RESTORE it looks at every page. Steps make_memfd, seal_memfd, copy_segments.
Result copy_segments(const Segments &segments, Fd &pristine);

// What one identity has for its own: memory, and for each lock file another.
struct OwnSegments {
    Fd memory;
    std::array<Fd, max_lock_files> lock_files;
};
// Its memory is empty yet. Steps make_memfd; copy_segments (of a lock file).
Result make_own_segments(const Segments &segments, OwnSegments &own);
// Copies what was there into such memory and seals its size; once. Steps copy_segments, seal_memfd.
Result fill_own_memory(const Segments &segments, int pristine, int memory);
// How much of the machine's memory such memory takes. Step verify_segments.
Result held_bytes(int memory, std::uint64_t &bytes);
// Waits until `deadline_ms` of monotonic_ms() for another process that does so. Step seal_memfd.
Result await_own_memory(int memory, std::int64_t deadline_ms);

// In a child. The mappings' addresses stay reserved, and nothing can be seen there. Steps map_segments; as below.
Result leave_segments(const Segments &segments);
// In a child. What it writes there is seen by nobody else; likewise lock files. Steps map_segments, make_memfd; as below.
Result take_private_segments(const Segments &segments, int pristine);
// Nothing that another process could write is mapped any more, but what is kept. Steps verify_proc, verify_segments.
Result verify_segments_left(const Segments &segments);

// In a child that has left them, or has private ones. The caller keeps the descriptors: memory, then lock files.
// Steps map_segments; verify_segments where a descriptor is not what was made for these segments.
Result take_own_segments(const Segments &segments, std::span<const int> own);
// That what is mapped is this. Step verify_segments.
Result verify_own_segments(const Segments &segments, std::span<const int> own);

} // namespace itk2::os
