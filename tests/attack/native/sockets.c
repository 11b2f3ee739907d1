/* What descriptors lead to: listening sockets, the channel's socket, connections that somebody else closes too. */
#include "attacks.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAX_FD = 1024, FEW_FILES = 100, LINGER_S = 600 };

static int option_of(int fd, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

static int is_connection(int fd)
{
    const int domain = option_of(fd, SO_DOMAIN);
    return (domain == AF_INET || domain == AF_INET6) && option_of(fd, SO_TYPE) == SOCK_STREAM &&
           option_of(fd, SO_ACCEPTCONN) == 0;
}

static int count_listening(void)
{
    int found = 0;
    for (int fd = 0; fd < MAX_FD; fd++)
        found += option_of(fd, SO_ACCEPTCONN) == 1;
    say("listening: %d", found);
    return found;
}

void find_listening(int count, char **words)
{
    (void)count;
    (void)words;
    count_listening();
}

/* Every listening socket that this process holds: nobody would be accepted on it any more. */
void shut_listening(int count, char **words)
{
    (void)count;
    (void)words;
    if (count_listening() == 0)
        return;
    for (int fd = 0; fd < MAX_FD; fd++)
        if (option_of(fd, SO_ACCEPTCONN) == 1)
            step("shutdown", shutdown(fd, SHUT_RDWR));
}

static void bind_one(const char *name, int family, int loopback, in_port_t port, int option)
{
    const int one = 1;
    const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    int result;
    char what[64];
    if (loopback)
        six.sin6_addr = in6addr_loopback;
    four.sin_addr.s_addr = htonl(loopback ? INADDR_LOOPBACK : INADDR_ANY);
    if (option)
        setsockopt(fd, SOL_SOCKET, option, &one, sizeof one);
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    result = family == AF_INET ? bind(fd, (struct sockaddr *)&four, sizeof four)
                               : bind(fd, (struct sockaddr *)&six, sizeof six);
    if (result == 0)
        result = listen(fd, 8);
    snprintf(what, sizeof what, "bind %s", name);
    step(what, result);
    close(fd);
}

/* Beside the server, on its port: the kernel would give it a share of the connections, or all of one address's. */
void bind_over(int count, char **words)
{
    static const int options[] = {0, SO_REUSEADDR, SO_REUSEPORT};
    static const char *const names[] = {"plainly", "by reuseaddr", "by reuseport"};
    const in_port_t port = (in_port_t)number_of(words[1]);
    char name[64];
    (void)count;
    for (int i = 0; i < 3; i++)
        for (int family = 0; family < 2; family++)
            for (int loopback = 0; loopback < 2; loopback++) {
                snprintf(name, sizeof name, "%s %s %s", family ? "IPv6" : "IPv4", loopback ? "loopback" : "any", names[i]);
                bind_one(name, family ? AF_INET6 : AF_INET, loopback, port, options[i]);
            }
}

static long send_with(int through, int passed)
{
    char byte = 0, space[CMSG_SPACE(sizeof passed)] = "";
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof passed);
    memcpy(CMSG_DATA(rights), &passed, sizeof passed);
    return sendmsg(through, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A descriptor of each kind to whoever is at the other end of this process's sockets and pipes. */
void give_up(int count, char **words)
{
    static const char *const kinds[] = {"/dev/null", "/proc/version", "/etc/passwd", "/"};
    struct stat about;
    char what[96];
    int own[2];
    (void)count;
    (void)words;
    step("socketpair", socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, own));
    step("give to own socket", send_with(own[0], own[1]));
    close(own[0]);
    close(own[1]);
    for (int fd = 3; fd < MAX_FD; fd++) {
        if (fstat(fd, &about) < 0 || !(S_ISSOCK(about.st_mode) || S_ISFIFO(about.st_mode)) || is_connection(fd))
            continue;
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            const int passed = open(kinds[i], O_RDONLY | O_CLOEXEC);
            snprintf(what, sizeof what, "give to %s %s", S_ISSOCK(about.st_mode) ? "socket" : "pipe", kinds[i]);
            step(what, send_with(fd, passed));
            close(passed);
        }
        if (S_ISSOCK(about.st_mode)) {
            snprintf(what, sizeof what, "say to socket");
            step(what, send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT));
        }
    }
}

/* Options of the shared open file that could keep whoever else holds it waiting: a blocking descriptor, a close that
   lingers with bytes unsent. */
void linger(int count, char **words)
{
    const struct linger bomb = {1, LINGER_S};
    const int small = 1;
    char chunk[4096] = "";
    (void)count;
    (void)words;
    for (int fd = 0; fd < MAX_FD; fd++) {
        if (!is_connection(fd))
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &small, sizeof small);
        while (send(fd, chunk, sizeof chunk, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
            ;
        step("block", fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK));
        step("linger", setsockopt(fd, SOL_SOCKET, SO_LINGER, &bomb, sizeof bomb));
    }
}

/* The kernel counts descriptors in flight for each uid that sends them; as many as this one may have. */
void fill_in_flight(int count, char **words)
{
    const int passed = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const struct rlimit few = {FEW_FILES, FEW_FILES};
    char go[64];
    long sent = 0;
    int pair[2];
    (void)count;
    step("limit", setrlimit(RLIMIT_NOFILE, &few));
    while (sent < 2 * FEW_FILES && socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == 0)
        while (send_with(pair[0], passed) >= 0)
            sent++;
    step("one more", send_with(pair[0], passed));
    say("in flight: %ld", sent);
    say("full");
    wait_for_file(words[1], go, sizeof go);
}

/* Keeps a duplicate of each connection, and reads and writes there when it is told to. */
void keep_connection(int count, char **words)
{
    char go[64], text[512];
    int kept = 0;
    (void)count;
    for (int fd = 0; fd < MAX_FD; fd++)
        kept += is_connection(fd);
    say("kept: %d", kept);
    say("waits");
    if (wait_for_file(words[1], go, sizeof go) < 0)
        return;
    for (int fd = 0; fd < MAX_FD; fd++) {
        ssize_t length;
        if (!is_connection(fd))
            continue;
        length = recv(fd, text, sizeof text - 1, MSG_DONTWAIT | MSG_PEEK);
        say("seen: %s", length > 0 ? "bytes" : length == 0 ? "end" : strerrorname_np(errno));
        step("say", send(fd, "intruder", 8, MSG_DONTWAIT | MSG_NOSIGNAL));
    }
}
