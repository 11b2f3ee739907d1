// What it is: whether only root could have written a file, before it is run or believed.
// Distrusts: every directory on the way to it, symbolic links included: only the resolved path is judged.
#pragma once

#include "base/result.h"

#include <sys/types.h>

#include <climits>

namespace itk2::os {

enum class Distrust : unsigned char {
    none,
    missing,    // the path can't be resolved or looked at
    not_a_file, // not a regular file
    owner,      // `offender` belongs to someone else
    writable,   // group or others may write to `offender`
};

struct FileTrust {
    char path[PATH_MAX] = "";     // resolved: what was judged, and the only name to use afterwards
    char offender[PATH_MAX] = ""; // the file or the directory above it that is to blame
    Distrust reason = Distrust::none;
};

// Succeeds where the file and every directory above it belong to root (or `also_trusted`) and nobody else may write
// to them; a sticky directory of theirs is fine. `also_trusted`: the own uid of a server not started as root, else 0.
// Step file_trust: error of realpath or lstat, else EPERM.
Result verify_file_trust(const char *path, uid_t also_trusted, FileTrust &trust);

} // namespace itk2::os
