// Claims about os/segments: what modules share among all children becomes one identity's own, as it was at the start.
#include "in_child.h"

#include "os/segments.h"

#include "failing_calls.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

using namespace itk2;
using namespace itk2::os;

namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t large = 64UL << 20;

bool keeps_nothing(const Inode &) { return false; }
Inode kept;
bool keeps_one(const Inode &inode) { return inode == kept; }

char *share(std::size_t size) {
    void *start = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    claim(start != MAP_FAILED, "mmap");
    return static_cast<char *>(start);
}

int make_lock_file() {
    char path[] = "/tmp/itk2-lock.XXXXXX";
    const int fd = mkostemp(path, O_CLOEXEC);
    claim(fd >= 0 && unlink(path) == 0, "lock file");
    return fd;
}

// What one identity has, as a master hands it over.
struct Identity {
    OwnSegments own;
    std::vector<int> descriptors;
    Identity(const Segments &segments, int pristine) {
        claim_ok(make_own_segments(segments, own));
        claim_ok(fill_own_memory(segments, pristine, own.memory.get()));
        descriptors.push_back(own.memory.get());
        for (std::size_t i = 0; i < segments.lock_file_count; i++) descriptors.push_back(own.lock_files[i].get());
    }
};

// A master with one piece of memory, a lock file, and copies of both.
struct Master {
    char *memory = share(large);
    int lock_file = make_lock_file();
    std::unique_ptr<Segments> segments{new Segments};
    Fd pristine;
    Mapping mapped;
    Master() {
        strcpy(memory, "pristine");
        strcpy(memory + large - page, "the last page");
        copy(keeps_nothing);
    }
    void copy(bool (*keeps)(const Inode &)) {
        claim_ok(find_segments(keeps, *segments));
        claim_ok(copy_segments(*segments, pristine));
        claim_ok(map_sealed(pristine.get(), mapped));
    }
    Identity make() { return Identity{*segments, pristine.get()}; }
    void become(const Identity &identity) {
        claim_ok(leave_segments(*segments));
        claim_ok(take_own_segments(*segments, identity.descriptors));
    }
};

bool is_own(const Segments &segments, const char *where) {
    return std::any_of(segments.all().begin(), segments.all().end(), [where](const Segment &segment) {
        return segment.mapping.start == reinterpret_cast<std::uintptr_t>(where);
    });
}

std::size_t memory_of(int fd) {
    struct stat about {};
    claim(fstat(fd, &about) == 0, "fstat");
    return static_cast<std::size_t>(about.st_blocks) * 512;
}

template <typename Body> void in_another(Body body, Place where = Place::here()) {
    claim(status_of_child(body) == 0, "in a child", where);
}

void memory_and_lock_files_are_found_and_nothing_else(void **) {
    holds_in_child([] {
        const Master master;
        claim(is_own(*master.segments, master.memory));
        claim(master.segments->lock_file_count == 1 && master.segments->lock_files[0].fd == master.lock_file);
        char path[] = "/tmp/itk2-log.XXXXXX";
        const int log = mkostemp(path, O_APPEND);
        unlink(path);
        char named[] = "/tmp/itk2-named.XXXXXX";
        const int with_a_name = mkostemp(named, 0);
        const Fd sealed = [] {
            Fd made;
            claim_ok(make_sealed_memfd("test", {}, made));
            return made;
        }();
        Segments again;
        claim_ok(find_segments(keeps_nothing, again));
        unlink(named);
        claim(again.lock_file_count == 1, "a log, a file with a name or a sealed one is taken for a lock");
        claim(log >= 0 && with_a_name >= 0 && again.count == master.segments->count + 0);
    });
}

void memory_that_could_be_made_writable_is_found(void **) {
    holds_in_child([] {
        char *memory = share(2 * page);
        claim(mprotect(memory, page, PROT_READ) == 0, "mprotect");
        Segments found;
        claim_ok(find_segments(keeps_nothing, found));
        claim(is_own(found, memory) && is_own(found, memory + page));
    });
}

// Where the kernel answers questions, they are asked; smaps is read in any case.
void what_is_listed_quickly_is_what_smaps_says(void **) {
    holds_in_child([] {
        const Master master;
        char *read_only = share(2 * page);
        claim(mprotect(read_only, page, PROT_READ) == 0, "mprotect");
        std::vector<SharedArea> quick(max_segments), thorough(max_segments);
        std::size_t quickly = 0, thoroughly = 0;
        claim_ok(list_shared_mappings(Thoroughness::quick, quick, quickly));
        claim_ok(list_shared_mappings(Thoroughness::thorough, thorough, thoroughly));
        claim(quickly == thoroughly && quickly >= 3, std::to_string(quickly));
        for (std::size_t i = 0; i < quickly; i++)
            claim(quick[i].start == thorough[i].start && quick[i].size == thorough[i].size &&
                  quick[i].offset == thorough[i].offset && quick[i].inode == thorough[i].inode &&
                  quick[i].protection == thorough[i].protection &&
                  quick[i].may_be_written == ((quick[i].protection & PROT_WRITE) != 0));
    });
}

void each_identity_has_what_was_there_at_the_start(void **) {
    holds_in_child([] {
        Master master;
        const Identity one = master.make();
        in_another([&] {
            master.become(one);
            claim(strcmp(master.memory, "pristine") == 0 && strcmp(master.memory + large - page, "the last page") == 0);
            strcpy(master.memory, "written");
        });
        claim(strcmp(master.memory, "pristine") == 0, "the master sees what a child has written");
        // Another process of the same identity.
        in_another([&] {
            master.become(one);
            claim(strcmp(master.memory, "written") == 0, "not shared within an identity");
        });
        const Identity other = master.make();
        in_another([&] {
            master.become(other);
            claim(strcmp(master.memory, "pristine") == 0, "shared between identities");
        });
    });
}

void pages_nobody_has_written_take_no_memory(void **) {
    holds_in_child([] {
        Master master;
        const Identity one = master.make();
        claim(memory_of(one.own.memory.get()) <= 64 * page, std::to_string(memory_of(one.own.memory.get())));
        std::uint64_t bytes = 0;
        claim(held_bytes(one.own.memory.get(), bytes).ok() && bytes == memory_of(one.own.memory.get()));
        claim(held_bytes(-1, bytes).step == Step::verify_segments);
    });
}

// As in a container, which may not open map_files: every page is looked at, and gives its memory back.
void without_a_privilege_the_copy_is_the_same(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        Master master;
        Segments segments;
        const auto resident = [&] {
            std::vector<unsigned char> pages(large / page);
            claim(mincore(master.memory, large, pages.data()) == 0, "mincore");
            return std::count_if(pages.begin(), pages.end(), [](unsigned char one) { return (one & 1) != 0; });
        };
        const auto before = resident();
        claim(setresuid(65534, 65534, 65534) == 0, "setresuid");
        claim(open("/proc/self/map_files", O_RDONLY | O_PATH) < 0 || geteuid() != 0, "still privileged");
        claim_ok(find_segments(keeps_nothing, segments));
        Fd pristine;
        claim_ok(copy_segments(segments, pristine));
        claim(memory_of(pristine.get()) <= 64 * page, std::to_string(memory_of(pristine.get())));
        claim(resident() <= before + 1, std::to_string(resident()));
        Mapping mapped;
        claim_ok(map_sealed(pristine.get(), mapped));
        claim(mapped.bytes().size() == master.mapped.bytes().size() &&
              memcmp(mapped.bytes().data(), master.mapped.bytes().data(), large) == 0);
    });
}

void what_is_left_cannot_be_seen_any_more(void **) {
    holds_in_child([] {
        const Master master;
        const int status = status_of_child([&] {
            claim_ok(leave_segments(*master.segments));
            for (const int number : {SIGSEGV, SIGBUS}) signal(number, SIG_DFL);
            master.memory[0] = 'x';
        });
        claim(status == 128 + SIGSEGV, std::to_string(status));
        claim(strcmp(master.memory, "pristine") == 0);
    });
}

void memory_left_mapped_elsewhere_is_noticed(void **) {
    holds_in_child([] {
        const Master master;
        // A second view that nobody told of.
        claim(mremap(master.memory, 0, page, MREMAP_MAYMOVE) != MAP_FAILED, "mremap");
        claim_step(leave_segments(*master.segments), Step::verify_segments);
    });
}

void private_memory_is_nobody_elses(void **) {
    holds_in_child([] {
        const Master master;
        const auto live = [&](const char *word) {
            claim_ok(take_private_segments(*master.segments, master.pristine.get()));
            claim(strcmp(master.memory, "pristine") == 0);
            strcpy(master.memory, word);
            claim(strcmp(master.memory, word) == 0);
        };
        in_another([&] { live("one"); });
        in_another([&] { live("another"); });
        claim(strcmp(master.memory, "pristine") == 0);
    });
}

void what_stays_shared_stays_shared(void **) {
    holds_in_child([] {
        Master master;
        kept = master.segments->segments[0].mapping.inode;
        for (const Segment &segment : master.segments->all())
            if (segment.mapping.start == reinterpret_cast<std::uintptr_t>(master.memory)) kept = segment.mapping.inode;
        master.copy(keeps_one);
        claim(!is_own(*master.segments, master.memory));
        const Identity one = master.make();
        in_another([&] {
            master.become(one);
            strcpy(master.memory, "written");
        });
        claim(strcmp(master.memory, "written") == 0);
    });
}

bool locks(int fd) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_len = 1;
    return fcntl(fd, F_SETLK, &lock) == 0;
}

void a_lock_of_one_identity_is_in_nobodys_way(void **) {
    holds_in_child([] {
        Master master;
        const Identity one = master.make();
        const Identity other = master.make();
        in_another([&] {
            master.become(one);
            claim(locks(master.lock_file), "the first lock");
            in_another([&] {
                claim(take_own_segments(*master.segments, one.descriptors).ok());
                claim(!locks(master.lock_file), "the control: within an identity it is in the way");
            });
            in_another([&] {
                claim(take_own_segments(*master.segments, other.descriptors).ok());
                claim(locks(master.lock_file), "another identity waits for it");
            });
            in_another([&] {
                claim(take_private_segments(*master.segments, master.pristine.get()).ok());
                claim(locks(master.lock_file), "a parser waits for it");
            });
        });
        claim(locks(master.lock_file), "the master waits for it");
    });
}

void a_mutex_of_one_identity_is_in_nobodys_way(void **) {
    holds_in_child([] {
        char *memory = share(page);
        auto *mutex = new (memory) pthread_mutex_t;
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        pthread_mutex_init(mutex, &attributes);
        Master master;
        const Identity one = master.make();
        const Identity other = master.make();
        in_another([&] {
            master.become(one);
            claim(pthread_mutex_lock(mutex) == 0, "lock");
        });
        in_another([&] {
            master.become(one);
            claim(pthread_mutex_trylock(mutex) == EBUSY, "the control");
        });
        in_another([&] {
            master.become(other);
            claim(pthread_mutex_trylock(mutex) == 0, "another identity waits for it");
        });
    });
}

// As APR makes them: robust, with priority inheritance.
void a_mutex_can_be_taken_wherever_it_has_been_copied(void **) {
    holds_in_child([] {
        char *memory = share(page);
        auto *mutex = new (memory) pthread_mutex_t;
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
        pthread_mutex_init(mutex, &attributes);
        Master master;
        const Identity one = master.make();
        const auto can_be_taken = [mutex] {
            const int error = pthread_mutex_lock(mutex);
            claim(error == 0, "lock: " + std::to_string(error));
            claim(pthread_mutex_unlock(mutex) == 0, "unlock");
        };
        in_another([&] {
            claim_ok(take_private_segments(*master.segments, master.pristine.get()));
            can_be_taken();
            claim_ok(take_own_segments(*master.segments, one.descriptors));
            can_be_taken();
        });
    });
}

void two_views_of_one_memory_stay_views_of_one(void **) {
    holds_in_child([] {
        char *memory = share(4 * page);
        auto *second = static_cast<char *>(mremap(memory + page, 0, page, MREMAP_MAYMOVE));
        claim(second != MAP_FAILED, "mremap");
        Master master;
        const Identity one = master.make();
        in_another([&] {
            master.become(one);
            strcpy(memory + page, "seen in both");
            claim(strcmp(second, "seen in both") == 0);
        });
    });
}

void other_descriptors_are_not_taken(void **) {
    holds_in_child([] {
        Master master;
        const Identity one = master.make();
        const auto refuses = [&](std::span<const int> own) {
            in_another([&] {
                claim_ok(leave_segments(*master.segments));
                claim(!take_own_segments(*master.segments, own).ok());
            });
        };
        refuses({});
        refuses(std::span{one.descriptors}.first(1));
        const int swapped[] = {one.descriptors[1], one.descriptors[0]};
        refuses(swapped);
        Fd other;
        claim_ok(make_sparse_memfd("test", master.segments->copy_size, other));
        const int unsealed[] = {other.get(), one.descriptors[1]};
        refuses(unsealed);
    });
}

void an_identitys_memory_keeps_its_size(void **) {
    holds_in_child([] {
        Master master;
        const Identity one = master.make();
        claim(ftruncate(one.own.memory.get(), 0) != 0 && errno == EPERM, "a fellow worker could be made to crash");
    });
}

// Each of its steps, made to fail, is told of.
void a_step_that_fails_is_told(void **) {
    NEEDS_ROOT();
    const auto refuses = [](long call, Step step, auto body) {
        holds_in_child([&] {
            Master master;
            const Identity one = master.make();
            claim(make_fail({call, any_argument, ENOMEM}), "make_fail");
            claim_step(body(master, one), step);
        });
    };
    refuses(SYS_mmap, Step::map_segments,
            [](Master &master, const Identity &) { return leave_segments(*master.segments); });
    refuses(SYS_mmap, Step::map_segments, [](Master &master, const Identity &) {
        return take_private_segments(*master.segments, master.pristine.get());
    });
    refuses(SYS_mmap, Step::map_segments,
            [](Master &master, const Identity &one) { return take_own_segments(*master.segments, one.descriptors); });
    refuses(SYS_dup3, Step::map_segments,
            [](Master &master, const Identity &one) { return take_own_segments(*master.segments, one.descriptors); });
    refuses(SYS_openat, Step::verify_proc,
            [](Master &master, const Identity &) { return leave_segments(*master.segments); });
    refuses(SYS_memfd_create, Step::make_memfd, [](Master &master, const Identity &) {
        OwnSegments own;
        return make_own_segments(*master.segments, own);
    });
    refuses(SYS_pwrite64, Step::copy_segments, [](Master &master, const Identity &) {
        Fd pristine;
        return copy_segments(*master.segments, pristine);
    });
    refuses(SYS_copy_file_range, Step::copy_segments, [](Master &master, const Identity &one) {
        return fill_own_memory(*master.segments, master.pristine.get(), one.own.memory.get());
    });
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(memory_and_lock_files_are_found_and_nothing_else),
        cmocka_unit_test(memory_that_could_be_made_writable_is_found),
        cmocka_unit_test(what_is_listed_quickly_is_what_smaps_says),
        cmocka_unit_test(each_identity_has_what_was_there_at_the_start),
        cmocka_unit_test(pages_nobody_has_written_take_no_memory),
        cmocka_unit_test(without_a_privilege_the_copy_is_the_same),
        cmocka_unit_test(what_is_left_cannot_be_seen_any_more),
        cmocka_unit_test(memory_left_mapped_elsewhere_is_noticed),
        cmocka_unit_test(private_memory_is_nobody_elses),
        cmocka_unit_test(what_stays_shared_stays_shared),
        cmocka_unit_test(a_lock_of_one_identity_is_in_nobodys_way),
        cmocka_unit_test(a_mutex_of_one_identity_is_in_nobodys_way),
        cmocka_unit_test(a_mutex_can_be_taken_wherever_it_has_been_copied),
        cmocka_unit_test(two_views_of_one_memory_stay_views_of_one),
        cmocka_unit_test(other_descriptors_are_not_taken),
        cmocka_unit_test(an_identitys_memory_keeps_its_size),
        cmocka_unit_test(a_step_that_fails_is_told),
    };
    return cmocka_run_group_tests_name("segments", tests, nullptr, nullptr);
}
