// What it is: see file_trust.h.
#include "os/file_trust.h"

#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace itk2::os {

namespace {

Result blame(FileTrust &trust, const char *path, Distrust reason, int error = EPERM) {
    trust.reason = reason;
    snprintf(trust.offender, sizeof trust.offender, "%s", path);
    return refused(Step::file_trust, error);
}

Result verify_one(const char *path, bool is_the_file, uid_t also_trusted, FileTrust &trust) {
    struct stat about {};
    if (lstat(path, &about) != 0) return blame(trust, path, Distrust::missing, errno);
    if (is_the_file && !S_ISREG(about.st_mode)) return blame(trust, path, Distrust::not_a_file);
    if (about.st_uid != 0 && about.st_uid != also_trusted) return blame(trust, path, Distrust::owner);
    // In a sticky directory only an entry's owner (and the directory's) can replace the entry, and that entry's owner
    // is judged as well.
    const bool sticky = !is_the_file && (about.st_mode & S_ISVTX) != 0;
    const bool writable = (about.st_mode & (S_IWGRP | S_IWOTH)) != 0;
    if (writable && !sticky) return blame(trust, path, Distrust::writable);
    return success;
}

} // namespace

Result verify_file_trust(const char *path, uid_t also_trusted, FileTrust &trust) {
    trust.reason = Distrust::none;
    trust.offender[0] = '\0';
    if (!realpath(path, trust.path)) {
        const int error = errno;
        trust.path[0] = '\0';
        return blame(trust, path, Distrust::missing, error);
    }
    char above[PATH_MAX];
    memcpy(above, trust.path, sizeof above);
    if (const Result result = verify_one(above, true, also_trusted, trust); !result.ok()) return result;
    while (char *slash = strrchr(above, '/')) {
        const bool is_root = slash == above;
        slash[is_root ? 1 : 0] = '\0';
        if (const Result result = verify_one(above, false, also_trusted, trust); !result.ok()) return result;
        if (is_root) break;
    }
    return success;
}

} // namespace itk2::os
