/* A name service that never answers while a file says so, one file for each call; and that says, while the file "lie" is
   there, that every test user is the account in it. Otherwise it knows nobody. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum nss_status hang(const char *sign, int *error) {
    while (access(sign, F_OK) == 0) usleep(20000);
    *error = ENOENT;
    return NSS_STATUS_NOTFOUND;
}

/* Whether there is a lie to tell, and which. */
static int lies(unsigned *id) {
    FILE *file = fopen(SIGNS "/lie", "re");
    const int found = file && fscanf(file, "%u", id) == 1;
    if (file) fclose(file);
    return found;
}

static enum nss_status answer(int is_test_user, const char *sign, struct passwd *entry, char *buffer, size_t size,
                              int *error) {
    unsigned id;
    if (!is_test_user || !lies(&id)) return hang(sign, error);
    snprintf(buffer, size, "liar");
    *entry = (struct passwd){buffer, buffer, id, id, buffer, buffer, buffer};
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_hang_getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size, int *error) {
    return answer(strncmp(name, "itk2t", 5) == 0, SIGNS "/getpwnam", entry, buffer, size, error);
}

enum nss_status _nss_hang_getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size, int *error) {
    return answer(uid >= 30000 && uid < 30100, SIGNS "/getpwuid", entry, buffer, size, error);
}

enum nss_status _nss_hang_getgrnam_r(const char *name, struct group *entry, char *buffer, size_t size, int *error) {
    static char *nobody[] = {NULL};
    unsigned id;
    if (strncmp(name, "itk2t", 5) != 0 || !lies(&id)) return hang(SIGNS "/getgrnam", error);
    snprintf(buffer, size, "liars");
    *entry = (struct group){buffer, buffer, id, nobody};
    return NSS_STATUS_SUCCESS;
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
