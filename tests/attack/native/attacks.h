/* The attacks: each runs in a child of the process that is attacked from, with all that process has. */
#ifndef ATTACK_ATTACKS_H
#define ATTACK_ATTACKS_H

#include <sys/types.h>

/* words[0] is the attack's name. */
typedef void Attack(int count, char **words);

struct attack {
    const char *name;
    const char *arguments;
    Attack *run;
    int stays_behind; /* the request goes on while the attack waits for its time */
};

extern const struct attack attacks[];

/* Splits the line into words and runs the attack; says so where there is none, or too few words. 1: the request is to
   go on. */
int attack_run(char *line, const char *report);

uid_t number_of(const char *word);

/* Supplementary groups: the gid alone, then gid, uid, all of them. Says each step. */
int set_ids(uid_t uid, gid_t gid);

/* Gives up every capability, so that what follows proves the ids and nothing else. */
void drop_capabilities(void);

Attack read_file, setgroups_to, become, every_call, compat_calls, two_lives, go_back;
Attack map_accomplice, join_accomplice, own_child, map_myself;
Attack trace, end_processes, stay_behind;
Attack write_up, ask_and_hear;
Attack signal_all, signal_groups, type_at, read_key, add_key_to_session, read_keys_by_number;
Attack find_listening, shut_listening, bind_over, give_up, linger, fill_in_flight, keep_connection;
Attack run_program, stop_parent, outlive;
Attack read_memory, read_grown_memory, overwrite_word, overwrite_number, hold_locks;

#endif
