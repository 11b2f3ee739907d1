// What it is: whose directory a path leads to, without trust in those who own the way there.
// Needs no privilege. Never opens anything for reading.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace itk2::os {

struct PathOwner {
    enum class Outcome : std::uint8_t {
        found,
        missing,        // there is no such directory
        others_symlink, // a symlink on the way is neither root's nor the directory's owner's: it could lead anywhere
        failed          // `error`: errno
    };
    Outcome outcome = Outcome::failed;
    uid_t uid = 0;
    gid_t gid = 0;
    int error = 0;
};

enum class Sight : std::uint8_t {
    own,      // as far as this process may go
    anybodys, // no further than a directory that others (o+x) may not search: the same for every process
};

// The owner and the group of the directory; where the way to it can't be seen to its end, of the last one that can.
PathOwner find_path_owner(const char *path, Sight sight);

} // namespace itk2::os
