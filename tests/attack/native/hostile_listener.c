/* What the server starts as its listener: the real one, with the attacks in it. Beside it in its folder stand
   in_listener.so and itk2-listener, a link to the real one. */
#define _GNU_SOURCE
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

int main(int count, char **words)
{
    char self[PATH_MAX], real[PATH_MAX + 32], preload[PATH_MAX + 32], place[PATH_MAX + 32];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    char *const environment[] = {preload, place, NULL};
    const char *folder;
    (void)count;
    if (length < 0)
        return 1;
    self[length] = '\0';
    folder = dirname(self);
    snprintf(real, sizeof real, "%s/itk2-listener", folder);
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s/in_listener.so", folder);
    snprintf(place, sizeof place, "ATTACK_IN=%s", folder);
    execve(real, words, environment);
    return 1;
}
