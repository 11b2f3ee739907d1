/* Changing ids directly: every call that can, by every way into the kernel. */
#include "attacks.h"
#include "report.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_CAP_AMBIENT_RAISE
#define PR_CAP_AMBIENT 47
#define PR_CAP_AMBIENT_RAISE 2
#endif

static int set_capabilities(unsigned permitted, unsigned effective)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    const struct __user_cap_data_struct data[2] = {{effective, permitted, 0}, {0, 0, 0}};
    return (int)syscall(SYS_capset, &header, data);
}

void drop_capabilities(void)
{
    step("give up capabilities", set_capabilities(0, 0));
}

int set_ids(uid_t uid, gid_t gid)
{
    const long groups = step("setgroups", syscall(SYS_setgroups, 1, &gid));
    const long gids = step("setresgid", syscall(SYS_setresgid, gid, gid, gid));
    const long uids = step("setresuid", syscall(SYS_setresuid, uid, uid, uid));
    return groups < 0 || gids < 0 || uids < 0 ? -1 : 0;
}

/* With what the process has as it is: CAP_DAC_READ_SEARCH needs no other identity. */
void read_file(int count, char **words)
{
    for (int i = 1; i < count; i++)
        say_file(words[i]);
}

void setgroups_to(int count, char **words)
{
    const gid_t gid = number_of(words[1]);
    (void)count;
    step("setgroups", syscall(SYS_setgroups, 1, &gid));
    drop_capabilities();
    say_status("after");
    say_file(words[2]);
}

void become(int count, char **words)
{
    (void)count;
    set_ids(number_of(words[1]), number_of(words[2]));
    drop_capabilities();
    say_status("after");
    say_file(words[3]);
}

/* One process as two identities, one after the other. It keeps the capabilities to change ids, and those alone. */
void two_lives(int count, char **words)
{
    const unsigned both = 1u << CAP_SETUID | 1u << CAP_SETGID;
    for (int i = 1; i + 2 < count; i += 3) {
        set_ids(number_of(words[i]), number_of(words[i + 1]));
        step("keep SETUID and SETGID", set_capabilities(both, both));
        say_status("life");
        say_file(words[i + 2]);
    }
}

enum { NO_ID = -1 };

struct one_call {
    const char *name;
    long (*enter)(long number, long a, long b, long c);
    long number;
    int ids;      /* how many arguments are the id; 0: a list of one group */
    int is_group;
    long id;
};

static void try_call(void *with)
{
    const struct one_call *call = with;
    const long id = call->id;
    unsigned *list = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    long result;
    char what[64];
    if (list == MAP_FAILED)
        return;
    list[0] = (unsigned)id;
    result = call->ids == 0 ? call->enter(call->number, 1, (long)list, 0)
                            : call->enter(call->number, id, call->ids > 1 ? id : 0, call->ids > 2 ? id : 0);
    if (strstr(call->name, "setfs") && result >= 0) {
        /* These tell no error, only what was before: ask again. */
        result = call->enter(call->number, NO_ID, 0, 0) == id ? 0 : -1;
        errno = EPERM;
    }
    step(call->name, result);
    snprintf(what, sizeof what, "%s gives", call->name);
    if (result >= 0)
        say_status(what);
}

static void try_calls(const struct one_call *calls, size_t count, long uid, long gid)
{
    for (size_t i = 0; i < count; i++) {
        struct one_call call = calls[i];
        call.id = call.is_group ? gid : uid;
        in_child(call.name, try_call, &call);
    }
}

static long enter_64(long number, long a, long b, long c)
{
    return syscall(number, a, b, c);
}

void every_call(int count, char **words)
{
    static const struct one_call calls[] = {
        {"setuid", enter_64, SYS_setuid, 1, 0, 0},       {"setreuid", enter_64, SYS_setreuid, 2, 0, 0},
        {"setresuid", enter_64, SYS_setresuid, 3, 0, 0}, {"setfsuid", enter_64, SYS_setfsuid, 1, 0, 0},
        {"setgid", enter_64, SYS_setgid, 1, 1, 0},       {"setregid", enter_64, SYS_setregid, 2, 1, 0},
        {"setresgid", enter_64, SYS_setresgid, 3, 1, 0}, {"setfsgid", enter_64, SYS_setfsgid, 1, 1, 0},
        {"setgroups", enter_64, SYS_setgroups, 0, 1, 0},
    };
    (void)count;
    try_calls(calls, sizeof calls / sizeof *calls, number_of(words[1]), number_of(words[2]));
}

#ifdef __x86_64__
/* The 32-bit entry, from 64-bit code. */
static long enter_32(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(a), "c"(b), "d"(c)
                     : "memory", "r8", "r9", "r10", "r11");
    result = (int)result;
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

static long enter_x32(long number, long a, long b, long c)
{
    return syscall(number | 0x40000000, a, b, c);
}

void compat_calls(int count, char **words)
{
    static const struct one_call calls[] = {
        {"int80 setuid32", enter_32, 213, 1, 0, 0},       {"int80 setreuid32", enter_32, 203, 2, 0, 0},
        {"int80 setresuid32", enter_32, 208, 3, 0, 0},    {"int80 setfsuid32", enter_32, 215, 1, 0, 0},
        {"int80 setgid32", enter_32, 214, 1, 1, 0},       {"int80 setregid32", enter_32, 204, 2, 1, 0},
        {"int80 setresgid32", enter_32, 210, 3, 1, 0},    {"int80 setfsgid32", enter_32, 216, 1, 1, 0},
        {"int80 setgroups32", enter_32, 206, 0, 1, 0},    {"int80 setuid16", enter_32, 23, 1, 0, 0},
        {"int80 setresuid16", enter_32, 164, 3, 0, 0},    {"int80 setgid16", enter_32, 46, 1, 1, 0},
        {"x32 setuid", enter_x32, SYS_setuid, 1, 0, 0},   {"x32 setresuid", enter_x32, SYS_setresuid, 3, 0, 0},
        {"x32 setgroups", enter_x32, SYS_setgroups, 0, 1, 0},
    };
    (void)count;
    try_calls(calls, sizeof calls / sizeof *calls, number_of(words[1]), number_of(words[2]));
}
#else
void compat_calls(int count, char **words)
{
    (void)count;
    (void)words;
    say("compat calls: only x86-64 has them");
}
#endif

/* What an identity that is to have nothing left could try to get some of it back. */
void go_back(int count, char **words)
{
    const unsigned both = 1u << CAP_SETUID | 1u << CAP_SETGID;
    const uid_t uid = number_of(words[1]);
    (void)count;
    step("capset", set_capabilities(both, both));
    step("ambient", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0));
    step("unlock securebits", prctl(PR_SET_SECUREBITS, 0, 0, 0, 0));
    set_ids(uid, uid);
    set_ids(0, 0);
    say_status("after");
}
