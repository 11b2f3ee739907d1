/* A plain user's process that helps an attacker: it makes a user namespace, and takes what is mapped there.
     accomplice REPORT-FILE INSIDE FILE SOCKET
   Prints "ready", gives its namespace to everybody who comes to the socket, waits for a line, becomes INSIDE, and tries
   the file. */
#include "attacks.h"
#include "report.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void give(int to, int fd)
{
    char byte = 0, space[CMSG_SPACE(sizeof fd)] = "";
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    sendmsg(to, &message, MSG_NOSIGNAL);
}

/* A child that gives the namespace away for as long as its parent lives. */
static int meet(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) < 0 || chmod(path, 0777) < 0 ||
        listen(listening, 16) < 0)
        return -1;
    if (fork() != 0)
        return 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fclose(stdout);
    for (;;) {
        const int client = accept(listening, NULL, NULL);
        if (client < 0)
            _exit(1);
        give(client, open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC));
        close(client);
    }
}

int main(int count, char **words)
{
    char line[16];
    if (count != 5)
        return 2;
    report_to(words[1]);
    step("unshare", unshare(CLONE_NEWUSER));
    if (step("meet", meet(words[4])) < 0)
        return 1;
    puts("ready");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        return 1;
    set_ids(number_of(words[2]), number_of(words[2]));
    drop_capabilities();
    say_status("after");
    say_file(words[3]);
    say("end");
    return 0;
}
