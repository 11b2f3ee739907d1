/* Changing ids through the id map of a user namespace. A filter of set*id calls sees none of this, and a process of the
   right uid with CAP_SETUID and CAP_SETGID may write any map. */
#include "attacks.h"
#include "report.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void write_maps(long pid, const char *inside, const char *uid, const char *gid)
{
    char path[64], line[64];
    snprintf(path, sizeof path, "/proc/%ld/gid_map", pid);
    snprintf(line, sizeof line, "%s %s 1\n", inside, gid);
    put(path, line);
    snprintf(path, sizeof path, "/proc/%ld/uid_map", pid);
    snprintf(line, sizeof line, "%s %s 1\n", inside, uid);
    put(path, line);
}

/* The owner of a namespace has all power over it; whoever may become the owner has it too. */
void map_accomplice(int count, char **words)
{
    (void)count;
    step("seteuid of the accomplice", syscall(SYS_setresuid, -1, number_of(words[2]), -1));
    write_maps((long)number_of(words[1]), words[3], words[4], words[5]);
}

static int take_from(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char byte, space[CMSG_SPACE(sizeof fd)];
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 || recvmsg(fd, &message, MSG_CMSG_CLOEXEC) != 1 ||
        CMSG_FIRSTHDR(&message) == NULL)
        return -1;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

/* By its name in /proc, or as the accomplice gives it away. */
void join_accomplice(int count, char **words)
{
    const uid_t inside = number_of(words[3]);
    char path[64];
    int found, given;
    (void)count;
    step("seteuid of the accomplice", syscall(SYS_setresuid, -1, number_of(words[2]), -1));
    snprintf(path, sizeof path, "/proc/%s/ns/user", words[1]);
    found = open(path, O_RDONLY | O_CLOEXEC);
    step("open the namespace", found);
    given = take_from(words[5]);
    step("be given the namespace", given);
    step("setns", setns(found >= 0 ? found : given, CLONE_NEWUSER));
    say_status("joined");
    set_ids(inside, inside);
    drop_capabilities();
    say_status("after");
    say_file(words[4]);
}

struct child_of_mine {
    const char *how;
    const char *inside;
    const char *file;
    int pair[2];
};

/* In a namespace of its own, once its maps are written. */
static void be_child(const struct child_of_mine *child)
{
    char byte = 0;
    const uid_t inside = number_of(child->inside);
    close(child->pair[1]);
    if (strcmp(child->how, "unshare") == 0)
        step("unshare", unshare(CLONE_NEWUSER));
    if (write(child->pair[0], &byte, 1) != 1 || read(child->pair[0], &byte, 1) != 1)
        _exit(1);
    set_ids(inside, inside);
    drop_capabilities();
    say_status("after");
    say_file(child->file);
    _exit(0);
}

void own_child(int count, char **words)
{
    struct child_of_mine child = {words[1], words[2], words[5], {-1, -1}};
    struct clone_args arguments = {0};
    char byte = 0;
    pid_t pid;
    (void)count;
    /* Else its files in /proc are root's. */
    step("be dumpable", prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, child.pair) < 0)
        return;
    arguments.exit_signal = SIGCHLD;
    if (strcmp(child.how, "clone3") == 0)
        arguments.flags = CLONE_NEWUSER;
    pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0)
        be_child(&child);
    if (step("clone3", pid) < 0)
        return;
    close(child.pair[0]);
    if (read(child.pair[1], &byte, 1) != 1)
        return;
    write_maps(pid, words[2], words[3], words[4]);
    if (write(child.pair[1], &byte, 1) != 1)
        return;
    waitpid(pid, NULL, 0);
}

/* One map more, or another one, for the namespace this process is in; and one namespace more. */
void map_myself(int count, char **words)
{
    (void)count;
    step("be dumpable", prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
    put("/proc/self/setgroups", "allow");
    write_maps((long)getpid(), words[1], words[1], words[2]);
    say_status("after");
    set_ids(number_of(words[1]), number_of(words[2]));
    say_status("then");
}
