/* What an attack saw, line by line "what: outcome", into a file that the test reads; each line is there at once, for
   the process may be killed in its next step. */
#ifndef ATTACK_REPORT_H
#define ATTACK_REPORT_H

#include <sys/types.h>

void report_to(const char *path);
int report_descriptor(void);
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/* "what: ok", or "what: EPERM". Gives the result back. */
long step(const char *what, long result);

/* The kernel's words on this process: ids, groups, capabilities, id maps, user namespace; each line "prefix Uid: ..." */
void say_status(const char *prefix);

/* "read PATH: CONTENT" up to the end of its first line, or "read PATH: EACCES". */
void say_file(const char *path);

/* "write PATH: ok": one write, as an id map wants it. */
int put(const char *path, const char *text);

/* Runs it in a child and waits; "what: killed by SIGSYS" if it was. */
void in_child(const char *what, void (*run)(void *), void *with);

/* Waits until the file is there, half a minute at the most; its content up to the end of its first line in `text`. */
int wait_for_file(const char *path, char *text, size_t size);

#endif
