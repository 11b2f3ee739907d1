/* Reaching into other processes, and being there when nobody expects it any more. */
#include "attacks.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int opens(const char *pid, const char *name, int how)
{
    char path[64];
    int fd;
    snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
    fd = open(path, how | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd;
}

/* Nothing is there, perhaps, but it may be read. */
static long reads_memory(pid_t pid)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)&opens, 1};
    const long result = process_vm_readv(pid, &here, 1, &there, 1, 0);
    return result < 0 && errno == EFAULT ? 0 : result;
}

/* Each way into a process's memory, descriptors and ids. What can be begun is ended with this process. */
static void reach(const char *word)
{
    const pid_t pid = (pid_t)number_of(word);
    const int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct rlimit core = {0, 0};
    char what[64];
#define TRY(name, result) (snprintf(what, sizeof what, "%s %s", word, name), step(what, (result)))
    TRY("pidfd_open", pidfd);
    TRY("pidfd_getfd", syscall(SYS_pidfd_getfd, pidfd, 0, 0));
    TRY("mem", opens(word, "mem", O_RDWR));
    TRY("maps", opens(word, "maps", O_RDONLY));
    TRY("environ", opens(word, "environ", O_RDONLY));
    TRY("fd", opens(word, "fd", O_RDONLY | O_DIRECTORY));
    TRY("root", opens(word, "root", O_PATH | O_DIRECTORY));
    TRY("user namespace", opens(word, "ns/user", O_RDONLY));
    TRY("uid_map", opens(word, "uid_map", O_WRONLY));
    TRY("process_vm_readv", reads_memory(pid));
    TRY("signal", kill(pid, 0));
    TRY("prlimit", prlimit(pid, RLIMIT_CORE, &core, NULL));
    TRY("ptrace", ptrace(PTRACE_SEIZE, pid, 0, 0));
#undef TRY
}

void trace(int count, char **words)
{
    for (int i = 1; i < count; i++)
        reach(words[i]);
}

/* These, and no more than these: nobody knows what else the attacker's uid may end. */
void end_processes(int count, char **words)
{
    char what[64];
    for (int i = 1; i < count; i++) {
        snprintf(what, sizeof what, "%s end", words[i]);
        step(what, kill((pid_t)number_of(words[i]), SIGKILL));
    }
}

static void become_other(void *with)
{
    char **words = with;
    say("as %s", words[0]);
    set_ids(number_of(words[0]), number_of(words[1]));
    say_status("after");
    say_file(words[2]);
}

/* A process that was there before its parent became what it is, and kept what the parent had then. */
void stay_behind(int count, char **words)
{
    char go[64];
    say("waits");
    if (wait_for_file(words[1], go, sizeof go) < 0) {
        say("nobody said go");
        return;
    }
    say_status("behind");
    for (int i = 2; i + 2 < count; i += 3)
        in_child("become", become_other, &words[i]);
}
