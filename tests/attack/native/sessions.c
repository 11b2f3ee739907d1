/* What processes have in common without being meant to: signals to many, terminals, keyrings. */
#include "attacks.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { JOIN_SESSION = 1, DESCRIBE = 6, SEARCH = 10, READ = 11, SESSION = -3, USER_SESSION = -5 };

/* To whomever the kernel lets it reach, but never as root: that would be everybody. */
void signal_all(int count, char **words)
{
    const int number = (int)number_of(words[1]);
    const unsigned everybody = getuid() == 0 || geteuid() == 0;
    (void)count;
    if (everybody) {
        say("as root: no");
        return;
    }
    signal(number, SIG_IGN);
    step("kill -1", kill(-1, number)); /* but not itself; the next one does not return from SIGKILL */
    step("kill 0", kill(0, number));
}

/* One process group after the other, and SIGCONT, which a session's processes may send each other whoever they are. */
void signal_groups(int count, char **words)
{
    char what[64];
    for (int i = 1; i < count; i++) {
        const pid_t pid = (pid_t)number_of(words[i]);
        snprintf(what, sizeof what, "%s group", words[i]);
        step(what, kill(-pid, 0));
        snprintf(what, sizeof what, "%s SIGCONT", words[i]);
        step(what, kill(pid, SIGCONT));
    }
}

/* As if somebody had typed it at the terminal that the server was started from. */
void type_at(int count, char **words)
{
    const char *text = "x";
    const int terminal = open(words[1], O_RDWR | O_CLOEXEC);
    (void)count;
    step("controlling terminal", open("/dev/tty", O_RDWR | O_CLOEXEC));
    step("open terminal", terminal);
    step("take terminal", ioctl(terminal, TIOCSCTTY, 1));
    step("type", ioctl(terminal, TIOCSTI, text));
    for (int fd = 0; fd < 3; fd++) {
        char what[32];
        snprintf(what, sizeof what, "type at %d", fd);
        step(what, ioctl(fd, TIOCSTI, text));
    }
}

/* Whatever its session keyring holds by this name, and its content. */
void read_key(int count, char **words)
{
    char text[256] = "";
    const long key = syscall(SYS_keyctl, SEARCH, SESSION, "user", words[1], 0);
    long length;
    (void)count;
    step("find key", key);
    if (key < 0)
        return;
    length = syscall(SYS_keyctl, READ, key, text, sizeof text - 1);
    step("read key", length);
    say("key: %.*s", length < 0 ? 0 : (int)length, text);
}

void add_key_to_session(int count, char **words)
{
    (void)count;
    step("add key", syscall(SYS_add_key, "user", words[1], words[2], strlen(words[2]), SESSION));
}

/* By their numbers, whoever they are of. */
void read_keys_by_number(int count, char **words)
{
    char text[256] = "", what[64];
    for (int i = 1; i < count; i++) {
        const long key = strtol(words[i], NULL, 10);
        const long length = syscall(SYS_keyctl, READ, key, text, sizeof text - 1);
        snprintf(what, sizeof what, "%s key", words[i]);
        step(what, length);
        if (length >= 0)
            say("key: %.*s", (int)length, text);
    }
}
