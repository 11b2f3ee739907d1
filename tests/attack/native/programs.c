/* Other programs: with a set-uid bit or with capabilities of their own, and such as outlive whoever started them. */
#include "attacks.h"
#include "report.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* What it then is, it reports itself. */
void run_program(int count, char **words)
{
    (void)count;
    execv(words[1], words + 1);
    step("exec", -1);
}

/* Neither it nor its parent runs until somebody says so. */
void stop_parent(int count, char **words)
{
    (void)count;
    (void)words;
    say("parent: %d", (int)getppid());
    step("stop", kill(getppid(), SIGSTOP));
}

/* Away from its parent, its session and its process group, deaf to what a stop usually sends. */
void outlive(int count, char **words)
{
    const int turns = (int)number_of(words[1]);
    (void)count;
    for (int i = 0; i < turns; i++) {
        if (fork() != 0)
            _exit(0);
        setsid();
    }
    for (int number = 1; number < 32; number++)
        signal(number, SIG_IGN);
    for (int fd = 0; fd < 1024; fd++)
        if (fd != report_descriptor())
            close(fd);
    say("outlives: %d", (int)getpid());
    alarm(0);
    for (int seconds = 0; seconds < 300; seconds++)
        sleep(1);
}
