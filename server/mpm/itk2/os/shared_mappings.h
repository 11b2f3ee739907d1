// What it is: what a process shares with those forked from it: memory that may be written, and files without a name
// that serve as locks.
// Trusts: /proc.
#pragma once

#include "base/result.h"

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace itk2::os {

// What a mapping or a descriptor leads to.
struct Inode {
    dev_t device = 0;
    ino_t number = 0;
    friend bool operator==(const Inode &, const Inode &) = default;
};

struct SharedArea {
    std::uintptr_t start = 0;
    std::size_t size = 0;
    std::uint64_t offset = 0; // in its file
    Inode inode;
    int protection = 0;          // as mmap() takes it
    bool may_be_written = false; // it is writable, or mprotect() could make it so
};

enum class Thoroughness : std::uint8_t {
    quick,    // what is writable now
    thorough, // what could become so, too; some milliseconds
};

// Every mapping of this process that others may share, as many as there is room for. `count` may be more.
// Step verify_proc.
Result list_shared_mappings(Thoroughness thoroughness, std::span<SharedArea> room, std::size_t &count);

struct LockFile {
    int fd = -1;
    bool closes_on_exec = false;
    Inode inode;
    std::uint64_t size = 0;
};

// Descriptors of regular files that have lost their names and that this process can write, at any place: nothing but
// those who have inherited them can have a use for such a file, and that is a lock. `count` may be more than there is
// room for. Step verify_proc.
Result list_lock_files(std::span<LockFile> room, std::size_t &count);

} // namespace itk2::os
