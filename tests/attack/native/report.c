#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int report = -1;

void report_to(const char *path)
{
    report = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
}

int report_descriptor(void)
{
    return report;
}

void say(const char *format, ...)
{
    char line[8192];
    va_list arguments;
    int length;
    va_start(arguments, format);
    length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    if ((size_t)length > sizeof line - 2)
        length = sizeof line - 2;
    line[length++] = '\n';
    if (write(report, line, (size_t)length) != length)
        _exit(9);
}

long step(const char *what, long result)
{
    const int error = errno;
    say("%s: %s", what, result < 0 ? strerrorname_np(error) : "ok");
    errno = error;
    return result;
}

static ssize_t get(const char *path, char *text, size_t size)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length;
    if (fd < 0)
        return -1;
    length = read(fd, text, size - 1);
    close(fd);
    if (length >= 0)
        text[length] = '\0';
    return length;
}

static void say_map(const char *prefix, const char *name)
{
    char path[64], text[512];
    char *at;
    snprintf(path, sizeof path, "/proc/self/%s", name);
    if (get(path, text, sizeof text) < 0)
        strcpy(text, "?");
    while ((at = strchr(text, '\n')) != NULL)
        *at = at[1] ? '|' : '\0';
    say("%s %s: %s", prefix, name, text);
}

void say_status(const char *prefix)
{
    static const char *const wanted[] = {"Pid:",    "PPid:",   "Uid:",    "Gid:",    "Groups:",     "CapInh:",
                                         "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:"};
    char text[8192], *line, *rest = text;
    ssize_t length;
    if (get("/proc/self/status", text, sizeof text) < 0)
        return;
    while ((line = strsep(&rest, "\n")) != NULL)
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            if (strncmp(line, wanted[i], strlen(wanted[i])) == 0)
                say("%s %s", prefix, line);
    say_map(prefix, "uid_map");
    say_map(prefix, "gid_map");
    length = readlink("/proc/self/ns/user", text, sizeof text - 1);
    say("%s namespace: %.*s", prefix, length < 0 ? 1 : (int)length, length < 0 ? "?" : text);
}

void say_file(const char *path)
{
    char text[1024];
    if (get(path, text, sizeof text) < 0)
        say("read %s: %s", path, strerrorname_np(errno));
    else
        say("read %s: %.*s", path, (int)strcspn(text, "\n"), text);
}

int put(const char *path, const char *text)
{
    char what[256];
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t written = -1;
    snprintf(what, sizeof what, "write %s", path);
    if (fd >= 0) {
        written = write(fd, text, strlen(text));
        step(what, written);
        close(fd);
    }
    else
        say("open %s: %s", path, strerrorname_np(errno));
    return written < 0 ? -1 : 0;
}

void in_child(const char *what, void (*run)(void *), void *with)
{
    const pid_t pid = fork();
    int status;
    if (pid == 0) {
        run(with);
        _exit(0);
    }
    if (pid < 0) {
        step(what, pid);
        return;
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return;
    if (WIFSIGNALED(status))
        say("%s: killed by SIG%s", what, sigabbrev_np(WTERMSIG(status)));
}

int wait_for_file(const char *path, char *text, size_t size)
{
    const struct timespec pause = {0, 20 * 1000 * 1000};
    for (int tries = 0; tries < 1500; tries++) {
        if (get(path, text, size) >= 0) {
            text[strcspn(text, "\n")] = '\0';
            return 0;
        }
        nanosleep(&pause, NULL);
    }
    return -1;
}
