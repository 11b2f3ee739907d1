// What it is: see large_pages.h.
#include "os/large_pages.h"

#include "os/mapping_lines.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace itk2::os {

namespace {

constexpr std::uintptr_t page = 4096;
constexpr std::uintptr_t large_page = 2UL << 20;
constexpr std::size_t pages_in_it = large_page / page;
constexpr std::ptrdiff_t nearly_all = pages_in_it * 7 / 8; // the others are memory that was not used before

constexpr int collapse = 25; // MADV_COLLAPSE, since Linux 6.1; older headers lack the name

void *address(std::uintptr_t where) { return reinterpret_cast<void *>(where); } // NOLINT(performance-no-int-to-ptr)

bool is_nearly_full(std::uintptr_t start) {
    std::array<unsigned char, pages_in_it> there;
    if (mincore(address(start), large_page, there.data()) != 0) return false;
    const auto is_there = [](unsigned char one) {
        return (one & 1) != 0;
    };
    return std::count_if(there.begin(), there.end(), is_there) >= nearly_all;
}

// From `start` on, as far as `left` allows. All that follow each other at once: each call waits for every processor.
// Gives where it has ended.
std::uintptr_t gather(std::uintptr_t start, std::uintptr_t end, std::size_t &left) {
    std::uintptr_t at = start;
    for (; at + large_page <= end && left >= large_page; at += large_page) {
        if (is_nearly_full(at)) {
            left -= large_page;
            continue;
        }
        if (at > start) (void)madvise(address(start), at - start, collapse);
        start = at + large_page;
    }
    if (at > start) (void)madvise(address(start), at - start, collapse);
    return at;
}

bool is_own(const MappingLine &mapping) {
    return mapping.inode == 0 && mapping.permissions[1] == 'w' && mapping.permissions[3] == 'p';
}

} // namespace

void gather_in_large_pages() {
    Gathered all;
    (void)gather_more(all, SIZE_MAX);
}

bool gather_more(Gathered &so_far, std::size_t bytes) {
    MappingLines lines{"/proc/self/maps"};
    MappingLine found;
    while (const char *line = lines.next()) {
        if (!read_mapping(line, found) || !is_own(found) || found.end <= so_far.end) continue;
        const std::uintptr_t start = std::max(found.start, so_far.end);
        so_far.end = gather((start + large_page - 1) / large_page * large_page, found.end, bytes);
        if (bytes < large_page) return true;
    }
    return false;
}

} // namespace itk2::os
