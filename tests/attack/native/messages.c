/* Telling the process above what no such process may: messages of the attacker's making on the pipes that go up. */
#include "attacks.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FD = 1024, MAX_MESSAGE = 4096, ANSWER_MS = 5000 };

static int is_pipe_up(int fd)
{
    struct stat about;
    const int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) == O_WRONLY && fstat(fd, &about) == 0 && S_ISFIFO(about.st_mode);
}

static int is_channel(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

static unsigned long inode_of(int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 ? (unsigned long)about.st_ino : 0;
}

static size_t from_hex(const char *hex, unsigned char *bytes)
{
    size_t length = 0;
    unsigned value;
    while (length < MAX_MESSAGE && sscanf(hex + 2 * length, "%2x", &value) == 1)
        bytes[length++] = (unsigned char)value;
    return length;
}

/* Its hexadecimal digits, "end", or an error's name. */
static void take_answer(int fd, char *hex)
{
    unsigned char bytes[MAX_MESSAGE];
    const ssize_t length = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    strcpy(hex, length == 0 ? "end" : length < 0 ? strerrorname_np(errno) : "");
    for (ssize_t i = 0; i < length; i++)
        sprintf(hex + 2 * i, "%02x", bytes[i]);
}

/* What comes down first within some seconds, from whatever process above: an answer, the end of the channel, "none". */
static void hear(char *hex)
{
    struct pollfd ends[MAX_FD];
    nfds_t count = 0;
    for (int fd = 0; fd < MAX_FD; fd++)
        if (is_channel(fd))
            ends[count++] = (struct pollfd){fd, POLLIN, 0};
    strcpy(hex, "none");
    if (poll(ends, count, ANSWER_MS) > 0)
        for (nfds_t i = 0; i < count; i++)
            if (ends[i].revents != 0)
                return take_answer(ends[i].fd, hex);
}

/* The go-file names the pipe, by the number the kernel has given it: the test has seen who reads it. */
static int told_pipe(const char *go_file)
{
    char go[64];
    for (int fd = 0; fd < MAX_FD; fd++)
        if (is_pipe_up(fd))
            say("pipe: %lu", inode_of(fd));
    say("pipes told");
    if (wait_for_file(go_file, go, sizeof go) == 0)
        for (int fd = 0; fd < MAX_FD; fd++)
            if (is_pipe_up(fd) && inode_of(fd) == strtoul(go, NULL, 10))
                return fd;
    return -1;
}

static char answer[2 * MAX_MESSAGE + 1];

/* Each message so many times, and then what is answered first. */
void write_up(int count, char **words)
{
    unsigned char bytes[MAX_MESSAGE];
    const int fd = told_pipe(words[1]);
    for (int i = 3; i < count; i++) {
        const size_t length = from_hex(words[i], bytes);
        const long times = strtol(words[2], NULL, 10);
        long written = 0;
        while (written < times && write(fd, bytes, length) == (ssize_t)length)
            written++;
        say("written: %ld", written);
        if (written == 0)
            continue;
        hear(answer);
        say("answer: %s", answer);
    }
    say_status("after");
}

/* The message so many times, each after the last one's answer. */
void ask_and_hear(int count, char **words)
{
    unsigned char bytes[MAX_MESSAGE];
    const int fd = told_pipe(words[1]);
    const size_t length = from_hex(words[3], bytes);
    const long times = strtol(words[2], NULL, 10);
    long heard = 0;
    (void)count;
    while (heard < times && write(fd, bytes, length) == (ssize_t)length) {
        hear(answer);
        if (strspn(answer, "0123456789abcdef") != strlen(answer))
            break;
        heard++;
    }
    say("heard: %ld", heard);
    say("answer: %s", answer);
    say_status("after");
}
