// Claims about os/manifest: what a process goes on with, and that its numbers stay taken.
#include "failing_calls.h"
#include "in_child.h"

#include "os/descriptors.h"
#include "os/manifest.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdlib>

using namespace itk2;
using namespace itk2::os;

namespace {

std::string target(int fd) {
    std::array<char, 256> text{};
    const ssize_t length = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), text.data(), text.size());
    return {text.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0))};
}

void begin_with_standard_ones() {
    constexpr std::array kept = {0, 1, 2};
    claim_ok(close_all_but(kept));
    for (const int fd : kept) claim(dup2(open("/dev/null", O_RDWR | O_CLOEXEC), fd) == fd || fd == 0);
    claim_ok(close_all_but(kept));
}

int temporary(int flags) {
    std::array<char, 32> path{"/tmp/itk2-held-XXXXXX"};
    const int writing = mkostemp(path.data(), O_CLOEXEC);
    claim(write(writing, "text", 4) == 4);
    const int fd = open(path.data(), flags | O_CLOEXEC);
    unlink(path.data());
    close(writing);
    claim(fd >= 0);
    return fd;
}

void claim_gone(int fd) { claim(target(fd) == "/dev/null", std::to_string(fd) + " is " + target(fd)); }
void claim_stays(int fd, const std::string &before) { claim(target(fd) == before, target(fd) + " was " + before); }

void what_could_be_written_or_talked_to_goes(void **) {
    holds_in_child([] {
        begin_with_standard_ones();
        std::array<int, 2> pipe_ends{}, sockets{};
        claim(pipe(pipe_ends.data()) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets.data()) == 0);
        const std::array going = {pipe_ends[0],
                                  pipe_ends[1],
                                  sockets[0],
                                  sockets[1],
                                  temporary(O_WRONLY),
                                  temporary(O_RDWR),
                                  temporary(O_WRONLY | O_APPEND),
                                  open("/", O_RDONLY | O_DIRECTORY),
                                  open("/etc/passwd", O_PATH)};
        int unknown = -1;
        claim_step(verify_held({}, unknown), Step::close_descriptors); // the control
        claim(unknown >= 3);
        claim_ok(hold_only({}, unknown));
        for (const int fd : going) claim_gone(fd);
        claim(unknown == -1);
    });
}

void what_is_read_and_locks_and_the_kept_stay(void **) {
    holds_in_child([] {
        begin_with_standard_ones();
        const int kept = temporary(O_WRONLY | O_APPEND), read = temporary(O_RDONLY);
        const int random = open("/dev/urandom", O_RDONLY), lock = temporary(O_RDWR);
        claim(ftruncate(lock, 0) == 0);
        std::array<std::string, 4> before{target(kept), target(read), target(random), target(lock)};
        int unknown = -1;
        const std::array list = {kept};
        claim_ok(hold_only({list}, unknown));
        claim_stays(kept, before[0]);
        claim_stays(read, before[1]);
        claim_stays(random, before[2]);
        claim_stays(lock, before[3]);
    });
}

void conversations_stay_where_they_may_and_pipes_with_both_ends_here_never(void **) {
    holds_in_child([] {
        begin_with_standard_ones();
        std::array<int, 2> both{}, one{};
        claim(pipe(both.data()) == 0 && pipe(one.data()) == 0);
        close(one[0]);
        const std::string before = target(one[1]);
        int unknown = -1;
        claim_ok(hold_only({{}, true}, unknown));
        claim_stays(one[1], before);
        claim_gone(both[0]);
        claim_gone(both[1]);
    });
}

void what_cannot_be_let_go_of_is_named(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        begin_with_standard_ones();
        const int held = temporary(O_WRONLY);
        int unknown = -1;
        claim(make_fail({SYS_dup3, any_argument, EPERM}));
        claim_step(hold_only({}, unknown), Step::close_descriptors);
        claim_step(verify_held({}, unknown), Step::close_descriptors);
        claim(unknown == held);
    });
}

void without_proc_nothing_is_taken_for_granted(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        int unknown = -1;
        claim(make_fail({SYS_openat, any_argument, EACCES}));
        claim_step(hold_only({}, unknown), Step::verify_proc);
        claim_step(verify_held({}, unknown), Step::verify_proc);
    });
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(what_could_be_written_or_talked_to_goes),
        cmocka_unit_test(what_is_read_and_locks_and_the_kept_stay),
        cmocka_unit_test(conversations_stay_where_they_may_and_pipes_with_both_ends_here_never),
        cmocka_unit_test(what_cannot_be_let_go_of_is_named),
        cmocka_unit_test(without_proc_nothing_is_taken_for_granted),
    };
    return cmocka_run_group_tests_name("manifest", tests, nullptr, nullptr);
}
