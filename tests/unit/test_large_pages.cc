// Claims about os/large_pages: full memory is gathered and holds what it held; what was not used takes no memory.
#include "in_child.h"

#include "os/large_pages.h"

#include <sys/mman.h>

#include <fstream>
#include <string>

using namespace itk2::os;

namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t large_page = 2UL << 20;
constexpr std::size_t size = 8 * large_page;

char *take() {
    void *start = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    claim(start != MAP_FAILED, "mmap");
    return static_cast<char *>(start);
}

void write_every(char *memory, std::size_t step) {
    for (std::size_t at = 0; at < size; at += step) memory[at] = static_cast<char>(at / page);
}

bool holds_every(const char *memory, std::size_t step) {
    for (std::size_t at = 0; at < size; at += step)
        if (memory[at] != static_cast<char>(at / page)) return false;
    return true;
}

std::size_t kibibytes(const std::string &what) {
    std::ifstream file("/proc/self/smaps_rollup");
    for (std::string word; file >> word;)
        if (word == what && file >> word) return std::stoul(word);
    return 0;
}

// Linux 6.1 and later, where large pages are to be had.
bool kernel_gathers() {
    char *memory = take();
    write_every(memory, page);
    const auto past = reinterpret_cast<std::uintptr_t>(memory) % large_page;
    return madvise(memory + (large_page - past), large_page, 25) == 0;
}

void full_memory_is_gathered_and_holds_what_it_held(void **) {
    holds_in_child([] {
        const bool gathers = kernel_gathers();
        const std::size_t before = kibibytes("AnonHugePages:");
        char *memory = take();
        write_every(memory, page);
        gather_in_large_pages();
        claim(holds_every(memory, page));
        const std::size_t after = kibibytes("AnonHugePages:");
        claim(!gathers || after >= before + 6 * large_page / 1024, std::to_string(after));
    });
}

void memory_is_gathered_by_and_by_as_far_as_it_is_asked(void **) {
    holds_in_child([] {
        const bool gathers = kernel_gathers();
        char *memory = take();
        write_every(memory, page);
        Gathered so_far;
        std::size_t before = kibibytes("AnonHugePages:");
        int more = 0;
        while (gather_more(so_far, large_page)) {
            const std::size_t after = kibibytes("AnonHugePages:");
            claim(after <= before + large_page / 1024, "one at a time");
            before = after;
            claim(more++ < 100000, "it ends");
        }
        claim(holds_every(memory, page));
        claim(more >= 6, std::to_string(more));
        claim(!gathers || kibibytes("AnonHugePages:") >= 6 * large_page / 1024);
        claim(!gather_more(so_far, large_page), "nothing is left");
    });
}

void memory_that_was_hardly_used_takes_no_more(void **) {
    holds_in_child([] {
        char *memory = take();
        write_every(memory, large_page);
        const std::size_t before = kibibytes("Anonymous:");
        gather_in_large_pages();
        claim(holds_every(memory, large_page));
        claim(kibibytes("Anonymous:") < before + large_page / 1024, std::to_string(kibibytes("Anonymous:") - before));
    });
}

// Each has its own after a write, as ever.
void a_child_writes_to_its_own(void **) {
    holds_in_child([] {
        char *memory = take();
        write_every(memory, page);
        gather_in_large_pages();
        claim(status_of_child([memory] { memory[size / 2] = 'x'; }) == 0);
        claim(holds_every(memory, page));
    });
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(full_memory_is_gathered_and_holds_what_it_held),
        cmocka_unit_test(memory_is_gathered_by_and_by_as_far_as_it_is_asked),
        cmocka_unit_test(memory_that_was_hardly_used_takes_no_more),
        cmocka_unit_test(a_child_writes_to_its_own),
    };
    return cmocka_run_group_tests_name("large_pages", tests, nullptr, nullptr);
}
