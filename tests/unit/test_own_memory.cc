// Claims about os/segments: memory that is to be an identity's own is filled by one process, and others wait for that.
#include "in_child.h"

#include "os/clock.h"
#include "os/segments.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

using namespace itk2;
using namespace itk2::os;

namespace {

constexpr std::size_t page = 4096;

// Three pages, of which the second is a hole in what is copied.
struct Making {
    Segments segments;
    Fd pristine;
    OwnSegments own;
    Making() {
        segments.copy_size = 3 * page;
        claim_ok(make_sparse_memfd("test", segments.copy_size, pristine));
        claim(pwrite(pristine.get(), "first", 5, 0) == 5 && pwrite(pristine.get(), "third", 5, 2 * page) == 5,
              "pwrite");
        claim_ok(seal_memfd(pristine.get()));
        claim_ok(make_own_segments(segments, own));
    }
    [[nodiscard]] int memory() const { return own.memory.get(); }
    void fill() { claim_ok(fill_own_memory(segments, pristine.get(), memory())); }
    [[nodiscard]] bool is_full() const {
        std::array<char, 3 * page> bytes{};
        std::array<char, 3 * page> wanted{};
        std::copy_n("first", 5, wanted.begin());
        std::copy_n("third", 5, wanted.begin() + 2 * page);
        return pread(memory(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()) && bytes == wanted;
    }
};

void it_is_empty_until_it_is_filled(void **) {
    holds_in_child([] {
        Making making;
        claim(!making.is_full(), "full from the start");
        making.fill();
        claim(making.is_full(), "not the same bytes");
        claim(lseek(making.memory(), 0, SEEK_HOLE) == page, "the hole has been filled");
    });
}

void who_does_not_fill_it_waits_for_the_one_who_does(void **) {
    holds_in_child([] {
        Making making;
        const pid_t filler = fork();
        claim(filler >= 0, "fork");
        if (filler == 0) {
            sleep_briefly();
            making.fill();
            _exit(0);
        }
        claim_ok(await_own_memory(making.memory(), monotonic_ms() + 20'000));
        claim(making.is_full(), "it has not waited");
        int status = 0;
        claim(waitpid(filler, &status, 0) == filler && status == 0, "the filler");
    });
}

void who_waits_in_vain_is_told(void **) {
    holds_in_child([] {
        const Making making;
        claim_step(await_own_memory(making.memory(), monotonic_ms()), Step::seal_memfd);
    });
}

void it_is_filled_once(void **) {
    holds_in_child([] {
        Making making;
        making.fill();
        claim_step(fill_own_memory(making.segments, making.pristine.get(), making.memory()), Step::seal_memfd);
    });
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(it_is_empty_until_it_is_filled),
        cmocka_unit_test(who_does_not_fill_it_waits_for_the_one_who_does),
        cmocka_unit_test(who_waits_in_vain_is_told),
        cmocka_unit_test(it_is_filled_once),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
