/* Runs a program under which one system call fails, in it and in all that it starts:
     failing ERROR NUMBER [ARGUMENT VALUE MASK] -- PROGRAM...     where its n-th argument, masked, is the value
     failing ERROR 0 PATTERN -- PROGRAM...                 where it would write to a file whose path matches
   It needs root: no_new_privs would be a protection more. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int install(unsigned number, int argument, unsigned value, unsigned mask, unsigned answer, unsigned flags)
{
    const unsigned at = offsetof(struct seccomp_data, args) + 8u * (unsigned)(argument < 0 ? 0 : argument);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, argument < 0 ? 0 : mask),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, argument < 0 ? 0 : value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, answer),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    const int result = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    if (result < 0)
        fail("seccomp");
    return result;
}

/* Whether the call is about to write to such a file. */
static int is_meant(const struct seccomp_notif *call, const char *pattern)
{
    char path[4096] = "";
    struct iovec here = {path, sizeof path - 1}, there = {(void *)call->data.args[1], sizeof path - 1};
    if ((call->data.args[2] & O_ACCMODE) == O_RDONLY)
        return 0;
    /* It may lie at the end of a page. */
    while (there.iov_len > 0 && process_vm_readv((pid_t)call->pid, &here, 1, &there, 1, 0) < 0)
        here.iov_len = there.iov_len /= 2;
    return fnmatch(pattern, path, 0) == 0;
}

static void attend(int notifier, const char *pattern, int error)
{
    struct pollfd watched = {notifier, POLLIN, 0};
    while (poll(&watched, 1, -1) >= 0 && (watched.revents & POLLIN)) {
        struct seccomp_notif call = {0};
        struct seccomp_notif_resp answer = {0};
        if (ioctl(notifier, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
            continue;
        answer.id = call.id;
        if (is_meant(&call, pattern))
            answer.error = -error;
        else
            answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        ioctl(notifier, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
}

/* By a process beside it, which ends with it. */
static void watch_writes(const char *pattern, int error)
{
    int told[2], taken[2], notifier = -1;
    const pid_t meant = getpid();
    if (pipe2(told, O_CLOEXEC) < 0 || pipe2(taken, O_CLOEXEC) < 0)
        fail("pipe");
    if (fork() == 0) {
        int process;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setsid();
        if (read(told[0], &notifier, sizeof notifier) != sizeof notifier)
            _exit(1);
        process = (int)syscall(SYS_pidfd_open, meant, 0);
        notifier = (int)syscall(SYS_pidfd_getfd, process, notifier, 0);
        if (write(taken[1], &notifier, sizeof notifier) != sizeof notifier)
            _exit(1);
        for (int fd = 0; fd < notifier; fd++)
            close(fd);
        attend(notifier, pattern, error);
        _exit(0);
    }
    notifier = install(SYS_openat, -1, 0, 0, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
    fcntl(notifier, F_SETFD, FD_CLOEXEC);
    if (write(told[1], &notifier, sizeof notifier) != sizeof notifier ||
        read(taken[0], &notifier, sizeof notifier) != sizeof notifier)
        fail("watching");
}

int main(int count, char **words)
{
    int at = 3, error;
    unsigned number;
    while (at < count && strcmp(words[at], "--") != 0)
        at++;
    if (at + 1 >= count)
        return 2;
    error = atoi(words[1]);
    number = (unsigned)atoi(words[2]);
    if (at == 4)
        watch_writes(words[3], error);
    else if (at == 6)
        install(number, atoi(words[3]), (unsigned)strtoul(words[4], NULL, 0), (unsigned)strtoul(words[5], NULL, 0),
                SECCOMP_RET_ERRNO | (unsigned)error, 0);
    else
        install(number, -1, 0, 0, SECCOMP_RET_ERRNO | (unsigned)error, 0);
    execvp(words[at + 1], words + at + 1);
    fail(words[at + 1]);
}
