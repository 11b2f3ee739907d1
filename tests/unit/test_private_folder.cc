// Claims about os/private_folder: who has a page of the scoreboard reaches no other's, and who may look cannot write.
#include "in_child.h"

#include "os/memfd.h"
#include "os/private_folder.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <csignal>
#include <cstring>

using namespace itk2;
using namespace itk2::os;

namespace {

constexpr std::size_t page = 4096;

Fd folder_of_two() {
    Fd folder;
    claim_ok(make_private_folder(folder));
    for (const char *name : {"0", "1"}) {
        Fd file;
        claim_ok(renew_file(folder.get(), name, page, file));
        claim(pwrite(file.get(), name, 1, 0) == 1, "pwrite");
    }
    return folder;
}

char *map_page(int fd, int protection) {
    void *mapped = mmap(nullptr, page, protection, MAP_SHARED, fd, 0);
    return mapped == MAP_FAILED ? nullptr : static_cast<char *>(mapped);
}

// Whether this byte can be read at all; a fault is no.
bool can_be_read(const char *where) {
    return status_of_child([where] {
               for (const int number : {SIGSEGV, SIGBUS}) signal(number, SIG_DFL);
               const volatile char *reading = where;
               (void)*reading;
           }) == 0;
}

// What a process gets at that has one page mapped: whether any way leads to the file's second one.
bool reaches_a_second_page(char *mapped) {
    void *grown = mremap(mapped, page, 2 * page, MREMAP_MAYMOVE);
    if (grown != MAP_FAILED && can_be_read(static_cast<char *>(grown) + page)) return true;
    if (grown != MAP_FAILED) mapped = static_cast<char *>(grown);
    void *again = mremap(mapped, 0, 2 * page, MREMAP_MAYMOVE);
    if (again != MAP_FAILED && can_be_read(static_cast<char *>(again) + page)) return true;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    const bool is_moved = remap_file_pages(mapped, page, 0, 1, 0) == 0;
#pragma GCC diagnostic pop
    return is_moved && can_be_read(mapped);
}

void who_has_a_page_reaches_no_other(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        const Fd folder = folder_of_two();
        Fd file;
        claim_ok(open_file(folder.get(), "0", file));
        char *own = map_page(file.get(), PROT_READ | PROT_WRITE);
        claim(own != nullptr && own[0] == '0', "its own page");
        file.reset();
        claim(!reaches_a_second_page(own));
    });
}

// The control: pages of one memory file are reached from each other.
void who_has_a_page_of_one_memory_reaches_all(void **) {
    holds_in_child([] {
        Fd memory;
        claim_ok(make_shared_memfd("test", 2 * page, memory));
        claim(reaches_a_second_page(map_page(memory.get(), PROT_READ | PROT_WRITE)));
    });
}

void who_looks_cannot_write(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        const Fd folder = folder_of_two();
        claim(setresuid(65534, 65534, 65534) == 0, "setresuid");
        Fd file;
        claim_ok(open_file_to_read(folder.get(), "1", file));
        char *seen = map_page(file.get(), PROT_READ);
        claim(seen != nullptr && seen[0] == '1', "the control: it can look");
        claim(map_page(file.get(), PROT_READ | PROT_WRITE) == nullptr && errno == EACCES);
        claim(mprotect(seen, page, PROT_READ | PROT_WRITE) != 0 && errno == EACCES);
        claim(ftruncate(file.get(), 0) != 0 && fchmod(file.get(), 0666) != 0);
        Fd writable;
        claim_step(open_file(folder.get(), "1", writable), Step::make_folder);
        claim_step(renew_file(folder.get(), "1", page, writable), Step::make_folder);
        claim(openat(folder.get(), "2", O_CREAT | O_WRONLY, 0600) < 0 && errno == EACCES);
        claim(unlinkat(folder.get(), "1", 0) != 0 && errno == EACCES);
    });
}

void a_new_file_is_another_than_the_one_that_somebody_has(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        const Fd folder = folder_of_two();
        Fd old;
        claim_ok(open_file(folder.get(), "0", old));
        char *had = map_page(old.get(), PROT_READ | PROT_WRITE);
        Fd renewed;
        claim_ok(renew_file(folder.get(), "0", page, renewed));
        char *now = map_page(renewed.get(), PROT_READ | PROT_WRITE);
        claim(now[0] == '\0', "it is not empty");
        had[1] = 'x';
        now[2] = 'y';
        claim(now[1] == '\0' && had[2] == '\0', "who had it before shares it");
    });
}

void no_path_leads_to_it_and_it_does_not_outlive_exec(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        const Fd folder = folder_of_two();
        claim((fcntl(folder.get(), F_GETFD) & FD_CLOEXEC) != 0);
        struct stat about {};
        claim(fstat(folder.get(), &about) == 0, "fstat");
        std::ifstream mounts("/proc/self/mountinfo");
        const std::string number = std::to_string(major(about.st_dev)) + ":" + std::to_string(minor(about.st_dev));
        for (std::string line; std::getline(mounts, line);)
            claim(line.find(" " + number + " ") == std::string::npos, line);
    });
}

void without_the_privilege_there_is_none(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        claim(setresuid(65534, 65534, 65534) == 0, "setresuid");
        Fd folder;
        claim_step(make_private_folder(folder), Step::make_folder);
    });
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(who_has_a_page_reaches_no_other),
        cmocka_unit_test(who_has_a_page_of_one_memory_reaches_all),
        cmocka_unit_test(who_looks_cannot_write),
        cmocka_unit_test(a_new_file_is_another_than_the_one_that_somebody_has),
        cmocka_unit_test(no_path_leads_to_it_and_it_does_not_outlive_exec),
        cmocka_unit_test(without_the_privilege_there_is_none),
    };
    return cmocka_run_group_tests_name("private_folder", tests, nullptr, nullptr);
}
