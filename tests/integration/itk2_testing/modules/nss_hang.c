/* A name service that never answers while a file says so, and otherwise knows nobody. One file for each call. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <unistd.h>

static enum nss_status hang(const char *sign, int *error) {
    while (access(sign, F_OK) == 0) usleep(20000);
    *error = ENOENT;
    return NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_hang_getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size, int *error) {
    (void)name, (void)entry, (void)buffer, (void)size;
    return hang(SIGNS "/getpwnam", error);
}

enum nss_status _nss_hang_getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size, int *error) {
    (void)uid, (void)entry, (void)buffer, (void)size;
    return hang(SIGNS "/getpwuid", error);
}

enum nss_status _nss_hang_getgrnam_r(const char *name, struct group *entry, char *buffer, size_t size, int *error) {
    (void)name, (void)entry, (void)buffer, (void)size;
    return hang(SIGNS "/getgrnam", error);
}

enum nss_status _nss_hang_getgrgid_r(gid_t gid, struct group *entry, char *buffer, size_t size, int *error) {
    (void)gid, (void)entry, (void)buffer, (void)size;
    return hang(SIGNS "/getgrgid", error);
}

enum nss_status _nss_hang_initgroups_dyn(const char *user, gid_t group, long *start, long *size, gid_t **groups,
                                         long limit, int *error) {
    (void)user, (void)group, (void)start, (void)size, (void)groups, (void)limit;
    return hang(SIGNS "/initgroups", error);
}
