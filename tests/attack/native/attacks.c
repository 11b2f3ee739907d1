#include "attacks.h"

#include "report.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_WORDS = 64 };

const struct attack attacks[] = {
    {"read", "FILE...", read_file, 0},
    {"setgroups", "GID FILE", setgroups_to, 0},
    {"become", "UID GID FILE", become, 0},
    {"every-call", "UID GID", every_call, 0},
    {"compat-calls", "UID GID", compat_calls, 0},
    {"two-lives", "UID GID FILE UID GID FILE", two_lives, 0},
    {"go-back", "UID", go_back, 0},
    {"map-accomplice", "PID ITS-UID INSIDE UID GID", map_accomplice, 0},
    {"join-accomplice", "PID ITS-UID INSIDE FILE SOCKET", join_accomplice, 0},
    {"own-child", "unshare|clone3 INSIDE UID GID FILE", own_child, 0},
    {"map-myself", "UID GID", map_myself, 0},
    {"trace", "PID...", trace, 0},
    {"end", "PID...", end_processes, 0},
    {"stay-behind", "GO-FILE UID GID FILE...", stay_behind, 1},
    {"write-up", "GO-FILE COUNT HEX...", write_up, 0},
    {"ask-and-hear", "GO-FILE COUNT HEX", ask_and_hear, 0},
    {"signal-all", "NUMBER", signal_all, 0},
    {"signal-groups", "PID...", signal_groups, 0},
    {"type-at", "TERMINAL", type_at, 0},
    {"read-key", "NAME", read_key, 0},
    {"add-key", "NAME CONTENT", add_key_to_session, 0},
    {"read-keys", "KEY...", read_keys_by_number, 0},
    {"find-listening", "", find_listening, 0},
    {"shut-listening", "", shut_listening, 0},
    {"bind-over", "PORT", bind_over, 0},
    {"give-up", "", give_up, 0},
    {"linger", "", linger, 0},
    {"fill-in-flight", "GO-FILE", fill_in_flight, 1},
    {"keep-connection", "GO-FILE", keep_connection, 1},
    {"run", "PROGRAM ARGUMENT...", run_program, 0},
    {"stop-parent", "", stop_parent, 0},
    {"outlive", "TURNS", outlive, 1},
    {"read-memory", "PREFIX", read_memory, 0},
    {"read-grown-memory", "PREFIX", read_grown_memory, 0},
    {"overwrite-word", "OLD NEW", overwrite_word, 0},
    {"overwrite-number", "OLD NEW", overwrite_number, 0},
    {"hold-locks", "GO-FILE", hold_locks, 0},
    {NULL, NULL, NULL, 0},
};

uid_t number_of(const char *word)
{
    return (uid_t)strtoul(word, NULL, 10);
}

static int least_words(const char *arguments)
{
    int words = *arguments ? 2 : 1;
    for (; *arguments; arguments++)
        words += *arguments == ' ';
    return words;
}

struct call {
    const struct attack *attack;
    int count;
    char **words;
};

static void run_call(void *with)
{
    const struct call *call = with;
    signal(SIGPIPE, SIG_IGN);
    say_status("before");
    call->attack->run(call->count, call->words);
}

/* Nobody waits for it: its parent is gone when the request goes on. */
static void run_behind(void *with)
{
    if (fork() == 0) {
        run_call(with);
        say("end of what stayed behind");
    }
}

int attack_run(char *line, const char *report)
{
    char *words[MAX_WORDS], *rest = line;
    struct call call = {attacks, 0, words};
    while (call.count < MAX_WORDS - 1 && (words[call.count] = strsep(&rest, " ")) != NULL)
        call.count++;
    words[call.count] = NULL;
    while (call.attack->name && (call.count == 0 || strcmp(call.attack->name, words[0]) != 0))
        call.attack++;
    report_to(report);
    if (!call.attack->name || call.count < least_words(call.attack->arguments)) {
        say("no such attack");
        return 0;
    }
    in_child(call.attack->name, call.attack->stays_behind ? run_behind : run_call, &call);
    say("end");
    return call.attack->stays_behind;
}
