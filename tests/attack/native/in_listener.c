/* Comes into the listener's program before its own libraries (LD_PRELOAD, by hostile_listener): the listener's process
   then runs an attack each time it is told to by the file ATTACK_IN/order: "REPORT-FILE\nNAME ARGUMENT...\n".
   The program's sandbox would end it at the first look for that file. So it finds a kernel that has none: what then holds
   is what is attacked. With a file ATTACK_IN/sandbox it finds the real one. */
#include "attacks.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOOK_MS = 20 };

static ino_t last_order;

static void take_order(void)
{
    char path[256], text[4096], *attack;
    struct stat about;
    ssize_t length;
    int fd;
    snprintf(path, sizeof path, "%s/order", getenv("ATTACK_IN"));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    length = fstat(fd, &about) == 0 && about.st_ino != last_order ? read(fd, text, sizeof text - 1) : 0;
    close(fd);
    if (length <= 0)
        return;
    last_order = about.st_ino;
    text[length] = '\0';
    text[strcspn(text + strcspn(text, "\n") + 1, "\n") + strcspn(text, "\n") + 1] = '\0';
    attack = strchr(text, '\n');
    *attack++ = '\0';
    attack_run(attack, text);
}

/* What the listener enters its sandbox with. */
__attribute__((visibility("default"))) long syscall(long number, ...)
{
    static long (*real)(long, ...);
    char path[256];
    va_list arguments;
    long words[6];
    int i;
    va_start(arguments, number);
    for (i = 0; i < 6; i++)
        words[i] = va_arg(arguments, long);
    va_end(arguments);
    snprintf(path, sizeof path, "%s/sandbox", getenv("ATTACK_IN"));
    if ((number == SYS_seccomp || number == SYS_landlock_create_ruleset) && access(path, F_OK) != 0) {
        errno = ENOSYS;
        return -1;
    }
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "syscall");
    return real(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

/* What the listener waits with. */
__attribute__((visibility("default"))) int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout)
{
    take_order();
    return epoll_pwait(epoll, events, most, timeout < 0 || timeout > LOOK_MS ? LOOK_MS : timeout, NULL);
}
