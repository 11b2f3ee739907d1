/* Reaching into other processes, and being there when nobody expects it any more. */
#include "attacks.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IO_PRIORITY_OF_A_PROCESS = 1, IO_PRIORITY_BEST_EFFORT_7 = 2 << 13 | 7 };

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

static long writes_memory(pid_t pid)
{
    char byte = 0;
    struct iovec here = {&byte, 1}, there = {(void *)1, 1};
    const long result = process_vm_writev(pid, &here, 1, &there, 1, 0);
    return result < 0 && errno == EFAULT ? 0 : result;
}

static int writes(const char *pid, const char *name, const char *text)
{
    char path[64];
    int fd, result;
    snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    result = fd < 0 ? -1 : (int)write(fd, text, 1);
    if (fd >= 0)
        close(fd);
    return result;
}

/* A process is slowed down by each of these; none asks for more than its user may. */
static void slow_down(const char *word)
{
    const pid_t pid = (pid_t)number_of(word);
    const struct sched_param none = {0};
    cpu_set_t all;
    char what[64];
    sched_getaffinity(0, sizeof all, &all);
#define TRY(name, result) (snprintf(what, sizeof what, "%s %s", word, name), step(what, (result)))
    TRY("setpriority", setpriority(PRIO_PROCESS, (id_t)pid, 19));
    TRY("sched_setscheduler", sched_setscheduler(pid, SCHED_BATCH, &none));
    TRY("sched_setaffinity", sched_setaffinity(pid, sizeof all, &all));
    TRY("ioprio_set", syscall(SYS_ioprio_set, IO_PRIORITY_OF_A_PROCESS, pid, IO_PRIORITY_BEST_EFFORT_7));
#undef TRY
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
    TRY("process_vm_writev", writes_memory(pid));
    TRY("oom_score_adj", writes(word, "oom_score_adj", "0"));
    TRY("kcmp", syscall(SYS_kcmp, getpid(), pid, 1 /* memory */, 0, 0));
    TRY("signal", kill(pid, 0));
    TRY("pidfd_send_signal", syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0));
    TRY("prlimit", prlimit(pid, RLIMIT_CORE, &core, NULL));
    TRY("ptrace", ptrace(PTRACE_SEIZE, pid, 0, 0));
#undef TRY
}

void trace(int count, char **words)
{
    for (int i = 1; i < count; i++) {
        slow_down(words[i]);
        reach(words[i]);
    }
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
