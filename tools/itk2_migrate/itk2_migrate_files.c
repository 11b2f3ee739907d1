/* What it is: a library that itk2-migrate preloads into `httpd -t`, so that httpd reads files as they would be, before
 * any is changed: opening a path that ITK2_MIGRATE_FILES lists opens another file instead.
 * Runs as: whoever runs `httpd -t`. Never: changes a file, or a path that is opened for writing. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

typedef int Open(const char *path, int flags, ...);

static char *list;      /* path and replacement by turns, each ended by a zero byte */
static const char *end; /* behind the last one */

__attribute__((constructor)) static void read_list(void) {
    const char *path = getenv("ITK2_MIGRATE_FILES");
    FILE *file = path ? fopen(path, "rb") : NULL;
    long size;
    if (!file) return;
    if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) > 0 && fseek(file, 0, SEEK_SET) == 0 &&
        (list = malloc((size_t)size + 1)) != NULL) {
        const size_t got = fread(list, 1, (size_t)size, file);
        list[got] = '\0';
        end = list + got;
    }
    fclose(file);
}

static const char *instead_of(const char *path, int flags) {
    const char *listed = list;
    if (!path || (flags & O_ACCMODE) != O_RDONLY) return path;
    while (listed && listed < end) {
        const char *replacement = listed + strlen(listed) + 1;
        if (replacement >= end) break;
        if (strcmp(listed, path) == 0) return replacement;
        listed = replacement + strlen(replacement) + 1;
    }
    return path;
}

static int open_by(const char *name, const char *path, int flags, mode_t mode) {
    Open *real;
    *(void **)&real = dlsym(RTLD_NEXT, name);
    return real(instead_of(path, flags), flags, mode);
}

#define MODE_OF(flags, mode)                              \
    do {                                                  \
        va_list rest;                                     \
        va_start(rest, flags);                            \
        if (flags & O_CREAT) mode = va_arg(rest, mode_t); \
        va_end(rest);                                     \
    } while (0)

__attribute__((visibility("default"))) int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    MODE_OF(flags, mode);
    return open_by("open", path, flags, mode);
}

__attribute__((visibility("default"))) int open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    MODE_OF(flags, mode);
    return open_by("open64", path, flags, mode);
}

/* What _FORTIFY_SOURCE makes of open without a mode. */
int __open_2(const char *path, int flags);
__attribute__((visibility("default"))) int __open_2(const char *path, int flags) {
    return open_by("open", path, flags, 0);
}

int __open64_2(const char *path, int flags);
__attribute__((visibility("default"))) int __open64_2(const char *path, int flags) {
    return open_by("open64", path, flags, 0);
}
