// What it is: see segments.h.
#include "os/segments.h"

#include "os/clock.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace itk2::os {

namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t largest_page = 2UL << 20; // so that whatever can be mapped at an address can be mapped at a place
constexpr std::size_t looked_at_once = 256 * page;

constexpr std::uint64_t round_up(std::uint64_t size) { return (size + largest_page - 1) / largest_page * largest_page; }

bool is_zero(const char *bytes) { return bytes[0] == 0 && memcmp(bytes, bytes + 1, page - 1) == 0; }

char *address(std::uintptr_t where) { return reinterpret_cast<char *>(where); } // NOLINT(performance-no-int-to-ptr)

Result write_at(int fd, const char *bytes, std::size_t size, std::uint64_t place) {
    while (size > 0) {
        const ssize_t written = pwrite(fd, bytes, size, static_cast<off_t>(place));
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return written < 0 ? failed(Step::copy_segments) : refused(Step::copy_segments, ENOSPC);
        bytes += written;
        place += static_cast<std::size_t>(written);
        size -= static_cast<std::size_t>(written);
    }
    return success;
}

// The pages from `bytes` on that hold something. Where `frees`, the others give their memory back: to look at a page
// that nobody has written makes it.
Result copy_pages(int fd, char *bytes, std::size_t size, std::uint64_t place, bool frees) {
    for (std::size_t at = 0; at < size;) {
        const bool zero = is_zero(bytes + at);
        std::size_t end = at + page;
        while (end < size && is_zero(bytes + end) == zero) end += page;
        if (zero && frees) (void)madvise(bytes + at, end - at, MADV_REMOVE);
        if (!zero)
            if (const Result result = write_at(fd, bytes + at, end - at, place + at); !result.ok()) return result;
        at = end;
    }
    return success;
}

// What `file`, mapped at `start` from `offset` on, has between holes; `copy` is called with each part of it.
template <typename Copy> Result for_each_data(int file, std::uint64_t offset, std::uint64_t size, Copy copy) {
    const auto end = static_cast<off_t>(offset + size);
    for (auto at = static_cast<off_t>(offset); at < end;) {
        const off_t data = lseek(file, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO) break;
        if (data < 0) return failed(Step::copy_segments);
        if (data >= end) break;
        const off_t hole = lseek(file, data, SEEK_HOLE);
        if (hole < 0) return failed(Step::copy_segments);
        at = std::min(hole, end);
        if (const Result result = copy(static_cast<std::uint64_t>(data), static_cast<std::uint64_t>(at)); !result.ok())
            return result;
    }
    return success;
}

// From one file to the same place of another.
Result copy_range(int from_file, int to_file, std::uint64_t from, std::uint64_t to) {
    auto at = static_cast<off64_t>(from);
    const auto end = static_cast<off64_t>(to);
    while (at < end) {
        off64_t into = at;
        const ssize_t copied = copy_file_range(from_file, &at, to_file, &into, static_cast<std::size_t>(end - at), 0);
        if (copied < 0 && errno == EINTR) continue;
        if (copied <= 0) return copied < 0 ? failed(Step::copy_segments) : refused(Step::copy_segments, EIO);
    }
    return success;
}

Fd open_mapping(const SharedArea &mapping) {
    char path[80];
    snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", mapping.start, mapping.start + mapping.size);
    return Fd{open(path, O_RDONLY | O_CLOEXEC)};
}

// Memory of pages as large as those of a file system for them has no holes to tell of.
bool tells_holes(int file) {
    constexpr long tmpfs = 0x01021994;
    struct statfs about {};
    return file >= 0 && fstatfs(file, &about) == 0 && about.f_type == tmpfs;
}

Result copy_segment(const Segment &segment, int pristine) {
    const SharedArea &mapping = segment.mapping;
    char *const start = address(mapping.start);
    const Fd file = open_mapping(mapping);
    if (tells_holes(file.get()))
        return for_each_data(file.get(), mapping.offset, mapping.size, [&](std::uint64_t from, std::uint64_t to) {
            const std::uint64_t at = from - mapping.offset;
            return copy_pages(pristine, start + at, to - from, segment.place + at, false);
        });
    for (std::size_t at = 0; at < mapping.size; at += looked_at_once) {
        const std::size_t size = std::min(looked_at_once, mapping.size - at);
        if (const Result result = copy_pages(pristine, start + at, size, segment.place + at, true); !result.ok())
            return result;
    }
    return success;
}

// Mappings of one file have one place in a copy, so that they show the same bytes there, too.
void place_segments(Segments &found) {
    std::uint64_t next = 0;
    for (std::size_t i = 0; i < found.count; i++) {
        const Inode &inode = found.segments[i].mapping.inode;
        std::uint64_t end = 0;
        bool is_first = true;
        for (std::size_t j = 0; j < found.count; j++) {
            const SharedArea &other = found.segments[j].mapping;
            if (other.inode != inode) continue;
            if (j < i) is_first = false;
            end = std::max(end, other.offset + other.size);
        }
        if (!is_first) continue;
        for (std::size_t j = i; j < found.count; j++)
            if (found.segments[j].mapping.inode == inode)
                found.segments[j].place = next + found.segments[j].mapping.offset;
        next += round_up(end);
    }
    found.copy_size = next;
}

Result make_lock_file(const LockFile &lock_file, Fd &made) {
    if (const Result result = make_sparse_memfd("itk2 lock", 0, made); !result.ok()) return result;
    char bytes[page];
    for (std::uint64_t at = 0; at < lock_file.size;) {
        const ssize_t length = pread(lock_file.fd, bytes, sizeof bytes, static_cast<off_t>(at));
        if (length < 0 && errno == EINTR) continue;
        if (length < 0) return failed(Step::copy_segments);
        if (length == 0) break;
        if (const Result result = write_at(made.get(), bytes, static_cast<std::size_t>(length), at); !result.ok())
            return result;
        at += static_cast<std::uint64_t>(length);
    }
    return success;
}

Result replace_lock_file(const LockFile &lock_file, int fd) {
    if (dup3(fd, lock_file.fd, lock_file.closes_on_exec ? O_CLOEXEC : 0) < 0) return failed(Step::map_segments);
    return success;
}

Result map_over(const Segment &segment, int protection, int flags, int fd) {
    void *const where = address(segment.mapping.start);
    const auto place = static_cast<off_t>(fd < 0 ? 0 : segment.place);
    void *const mapped = mmap(where, segment.mapping.size, protection, flags | MAP_FIXED | MAP_NORESERVE, fd, place);
    return mapped == where ? success : failed(Step::map_segments);
}

bool is_same_file(int fd, int other) {
    struct stat one {};
    struct stat two {};
    return fstat(fd, &one) == 0 && fstat(other, &two) == 0 && one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

} // namespace

Result find_segments(bool (*keeps)(const Inode &inode), Segments &found) {
    found = Segments{};
    static constinit std::array<SharedArea, max_segments> room; // too large for a stack that is not ours
    std::size_t count = 0;
    if (const Result result = list_shared_mappings(Thoroughness::thorough, room, count); !result.ok()) return result;
    if (count > room.size()) return refused(Step::find_segments, ENOSPC);
    for (const SharedArea &mapping : std::span{room.data(), count}) {
        if (!mapping.may_be_written) continue;
        if (keeps(mapping.inode)) {
            found.kept[found.kept_count++] = mapping.inode;
            continue;
        }
        if ((mapping.protection & PROT_READ) == 0) return refused(Step::find_segments, EACCES);
        found.segments[found.count++] = {mapping, 0};
    }
    place_segments(found);
    std::array<LockFile, max_lock_files> lock_files;
    if (const Result result = list_lock_files(lock_files, count); !result.ok()) return result;
    if (count > lock_files.size()) return refused(Step::find_segments, ENOSPC);
    for (const LockFile &lock_file : std::span{lock_files.data(), count})
        if (!keeps(lock_file.inode)) found.lock_files[found.lock_file_count++] = lock_file;
    return success;
}

Result copy_segments(const Segments &segments, Fd &pristine) {
    Fd made;
    Result result = make_sparse_memfd("itk2 pristine", segments.copy_size, made);
    for (std::size_t i = 0; result.ok() && i < segments.count; i++)
        result = copy_segment(segments.segments[i], made.get());
    if (result.ok()) result = seal_memfd(made.get());
    if (result.ok()) pristine = std::move(made);
    return result;
}

Result make_own_segments(const Segments &segments, OwnSegments &own) {
    OwnSegments made;
    Result result = make_sparse_memfd("itk2 segments", segments.copy_size, made.memory);
    for (std::size_t i = 0; result.ok() && i < segments.lock_file_count; i++)
        result = make_lock_file(segments.lock_files[i], made.lock_files[i]);
    if (result.ok()) own = std::move(made);
    return result;
}

Result fill_own_memory(const Segments &segments, int pristine, int memory) {
    const Result result = for_each_data(pristine, 0, segments.copy_size, [&](std::uint64_t from, std::uint64_t to) {
        return copy_range(pristine, memory, from, to);
    });
    return result.ok() ? seal_memfd_size(memory) : result;
}

Result held_bytes(int memory, std::uint64_t &bytes) {
    constexpr std::uint64_t block = 512; // stat(3type)
    struct stat about {};
    if (fstat(memory, &about) != 0) return failed(Step::verify_segments);
    bytes = static_cast<std::uint64_t>(about.st_blocks) * block;
    return success;
}

Result await_own_memory(int memory, std::int64_t deadline_ms) {
    for (;;) {
        const Result result = verify_shared(memory);
        if (result.ok() || result.error != EPERM || monotonic_ms() >= deadline_ms) return result;
        sleep_briefly();
    }
}

Result leave_segments(const Segments &segments) {
    for (const Segment &segment : segments.all())
        if (const Result result = map_over(segment, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1); !result.ok())
            return result;
    return verify_segments_left(segments);
}

Result take_private_segments(const Segments &segments, int pristine) {
    for (const Segment &segment : segments.all())
        if (const Result result = map_over(segment, segment.mapping.protection, MAP_PRIVATE, pristine); !result.ok())
            return result;
    for (const LockFile &lock_file : segments.locks()) {
        Fd made;
        Result result = make_lock_file(lock_file, made);
        if (result.ok()) result = replace_lock_file(lock_file, made.get());
        if (!result.ok()) return result;
    }
    return verify_segments_left(segments);
}

Result verify_segments_left(const Segments &segments) {
    std::array<SharedArea, max_segments> room;
    std::size_t count = 0;
    if (const Result result = list_shared_mappings(Thoroughness::quick, room, count); !result.ok()) return result;
    if (count > room.size()) return refused(Step::verify_segments, ENOSPC);
    const std::span kept = segments.kept_inodes();
    for (const SharedArea &mapping : std::span{room.data(), count})
        if (mapping.may_be_written && std::find(kept.begin(), kept.end(), mapping.inode) == kept.end())
            return refused(Step::verify_segments);
    return success;
}

Result take_own_segments(const Segments &segments, std::span<const int> own) {
    if (own.size() != 1 + segments.lock_file_count) return refused(Step::verify_segments, EINVAL);
    struct stat about {};
    if (fstat(own[0], &about) != 0) return failed(Step::verify_segments);
    if (static_cast<std::uint64_t>(about.st_size) != segments.copy_size) return refused(Step::verify_segments, EINVAL);
    for (const Segment &segment : segments.all())
        if (const Result result = map_over(segment, segment.mapping.protection, MAP_SHARED, own[0]); !result.ok())
            return result;
    for (std::size_t i = 0; i < segments.lock_file_count; i++)
        if (const Result result = replace_lock_file(segments.lock_files[i], own[1 + i]); !result.ok()) return result;
    return verify_own_segments(segments, own);
}

Result verify_own_segments(const Segments &segments, std::span<const int> own) {
    if (const Result result = verify_shared(own[0]); !result.ok()) return result;
    for (std::size_t i = 0; i < segments.lock_file_count; i++)
        if (!is_same_file(own[1 + i], segments.lock_files[i].fd)) return refused(Step::verify_segments);
    return success;
}

} // namespace itk2::os
