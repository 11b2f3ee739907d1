// Claims about os/memfd: nobody changes sealed bytes or a shared memory's size any more, and nothing unsealed is mapped.
#include "in_child.h"

#include "os/memfd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace itk2;
using namespace itk2::os;

namespace {

constexpr std::array<std::uint8_t, 5> some_bytes = {1, 2, 3, 4, 5};

Fd sealed(ByteView bytes) {
    Fd fd;
    assert_true(make_sealed_memfd("test", bytes, fd).ok());
    return fd;
}

bool same(ByteView a, ByteView b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

void sealed_bytes_cannot_change(void **) {
    const Fd fd = sealed(some_bytes);
    const auto refused = [](long answer) {
        assert_true(answer == -1 && errno == EPERM);
    };
    refused(pwrite(fd.get(), "x", 1, 0));
    refused(pwrite(fd.get(), "x", 1, 5));
    refused(ftruncate(fd.get(), 0));
    refused(ftruncate(fd.get(), 100));
    refused(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE));
    assert_ptr_equal(mmap(nullptr, 5, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0), MAP_FAILED);
    Mapping mapping;
    assert_true(map_sealed(fd.get(), mapping).ok());
    assert_true(same(mapping.bytes(), some_bytes));
    // The control: without the seals, writing works.
    const Fd open_to_all{memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    assert_int_equal(pwrite(open_to_all.get(), "x", 1, 0), 1);
}

// What the kernel does with a page for a while: a pipe holds it here, longer than the kernel waits by itself.
void sealing_waits_for_pages_that_the_kernel_has_in_hand(void **) {
    const Fd fd{memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    assert_int_equal(write(fd.get(), some_bytes.data(), some_bytes.size()), some_bytes.size());
    std::array<int, 2> ends{};
    assert_int_equal(pipe2(ends.data(), O_CLOEXEC), 0);
    const Fd reader{ends[0]}, writer{ends[1]};
    loff_t from = 0;
    assert_int_equal(splice(fd.get(), &from, writer.get(), nullptr, some_bytes.size(), 0), some_bytes.size());
    // The control: by itself the kernel gives up.
    assert_int_equal(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE), -1);
    assert_int_equal(errno, EBUSY);
    std::jthread late([&reader] {
        std::this_thread::sleep_for(std::chrono::milliseconds{300});
        std::array<char, some_bytes.size()> bytes{};
        (void)!read(reader.get(), bytes.data(), bytes.size());
    });
    assert_true(seal_memfd(fd.get()).ok());
    assert_true(verify_sealed(fd.get()).ok());
}

void a_sealed_memfd_does_not_outlive_exec(void **) {
    const Fd fd = sealed(some_bytes);
    assert_true((fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
}

void a_mapping_outlives_its_descriptor_and_moves(void **) {
    Mapping mapping;
    {
        const Fd fd = sealed(some_bytes);
        assert_true(map_sealed(fd.get(), mapping).ok());
    }
    Mapping moved = std::move(mapping);
    assert_true(same(moved.bytes(), some_bytes));
    assert_true(mapping.bytes().empty()); // NOLINT(bugprone-use-after-move): that it is empty is the claim
    moved = Mapping{};
    assert_true(moved.bytes().empty());
}

void no_bytes_map_to_no_bytes(void **) {
    const Fd fd = sealed({});
    Mapping mapping;
    assert_true(map_sealed(fd.get(), mapping).ok());
    assert_true(mapping.bytes().empty());
}

void many_bytes_arrive_whole(void **) {
    std::vector<std::uint8_t> many(3'000'001);
    for (std::size_t i = 0; i < many.size(); i++) many[i] = static_cast<std::uint8_t>(i * 7);
    const Fd fd = sealed(many);
    Mapping mapping;
    assert_true(map_sealed(fd.get(), mapping).ok());
    assert_true(same(mapping.bytes(), many));
}

void nothing_unsealed_is_mapped(void **) {
    Mapping mapping;
    const Fd unsealed{memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    assert_int_equal(ftruncate(unsealed.get(), 10), 0);
    Result result = map_sealed(unsealed.get(), mapping);
    assert_true(result.step == Step::seal_memfd && result.error == EPERM);
    // Each seal counts.
    for (const int missing : {F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE}) {
        const Fd half{memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
        const int all = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
        assert_int_equal(fcntl(half.get(), F_ADD_SEALS, all & ~missing), 0);
        assert_int_equal(map_sealed(half.get(), mapping).step, Step::seal_memfd);
    }
    const Fd no_memfd{open("/dev/null", O_RDONLY | O_CLOEXEC)};
    result = map_sealed(no_memfd.get(), mapping);
    assert_true(result.step == Step::seal_memfd && result.error == EINVAL);
    assert_true(map_sealed(-1, mapping).error == EBADF);
    assert_true(mapping.bytes().empty());
}

constexpr int seals_of_size = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;

Fd shared(std::size_t size) {
    Fd fd;
    assert_true(make_shared_memfd("test", size, fd).ok());
    return fd;
}

void shared_memory_begins_with_zeros_and_all_views_see_a_change(void **) {
    const Fd fd = shared(12);
    SharedMapping one, other;
    assert_true(map_shared(fd.get(), 12, one).ok());
    assert_true(map_shared(fd.get(), 12, other).ok());
    assert_int_equal(one.numbers().size(), 3);
    assert_true(std::ranges::all_of(one.numbers(), [](std::uint32_t number) { return number == 0; }));
    one.numbers()[2] = 7;
    assert_int_equal(other.numbers()[2], 7);
    SharedMapping moved = std::move(one);
    assert_int_equal(moved.numbers()[2], 7);
    assert_true(one.numbers().empty()); // NOLINT(bugprone-use-after-move): that it is empty is the claim
}

void shared_memory_keeps_its_size_and_its_seals(void **) {
    const Fd fd = shared(12);
    const auto refused = [](long answer) {
        assert_true(answer == -1 && errno == EPERM);
    };
    refused(ftruncate(fd.get(), 8));
    refused(ftruncate(fd.get(), 16));
    refused(pwrite(fd.get(), "x", 1, 100'000));
    refused(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE));
    assert_int_equal(pwrite(fd.get(), "x", 1, 0), 1);
    assert_true((fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
}

void shared_memory_of_another_size_is_not_mapped(void **) {
    const Fd fd = shared(12);
    SharedMapping mapping;
    for (const std::size_t size : {std::size_t{0}, std::size_t{8}, std::size_t{16}, std::size_t{4096}}) {
        const Result result = map_shared(fd.get(), size, mapping);
        assert_true(result.step == Step::map_memory && result.error == EINVAL);
    }
    assert_true(mapping.numbers().empty());
    Fd none;
    assert_int_equal(make_shared_memfd("test", 0, none).step, Step::make_memfd);
    assert_false(none.is_open());
}

void shared_memory_without_its_seals_is_not_mapped(void **) {
    SharedMapping mapping;
    for (const int missing : {F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW}) {
        const Fd half{memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
        assert_int_equal(ftruncate(half.get(), 12), 0);
        assert_int_equal(fcntl(half.get(), F_ADD_SEALS, seals_of_size & ~missing), 0);
        const Result result = map_shared(half.get(), 12, mapping);
        assert_true(result.step == Step::seal_memfd && result.error == EPERM);
    }
    const std::array<std::uint8_t, 12> bytes{};
    const Fd unwritable = sealed(bytes);
    assert_int_equal(map_shared(unwritable.get(), 12, mapping).step, Step::seal_memfd);
    Mapping read_only;
    assert_int_equal(map_sealed(shared(12).get(), read_only).step, Step::seal_memfd);
    const Fd no_memfd{open("/dev/zero", O_RDWR | O_CLOEXEC)};
    assert_int_equal(map_shared(no_memfd.get(), 12, mapping).error, EINVAL);
    assert_int_equal(map_shared(-1, 12, mapping).error, EBADF);
    assert_true(mapping.numbers().empty());
}

void memory_opened_to_read_is_seen_and_not_written(void **) {
    const Fd fd = shared(4096);
    Fd reader;
    assert_true(open_memfd_to_read(fd.get(), reader).ok());
    assert_int_equal(pwrite(fd.get(), "x", 1, 7), 1);
    void *const seen = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, reader.get(), 0);
    assert_true(seen != MAP_FAILED);
    assert_int_equal(static_cast<const char *>(seen)[7], 'x');
    assert_true(mprotect(seen, 4096, PROT_READ | PROT_WRITE) != 0 && errno == EACCES);
    assert_true(mmap(nullptr, 4096, PROT_WRITE, MAP_SHARED, reader.get(), 0) == MAP_FAILED && errno == EACCES);
    assert_true(pwrite(reader.get(), "y", 1, 7) == -1 && errno == EBADF);
    assert_true((fcntl(reader.get(), F_GETFD) & FD_CLOEXEC) != 0);
    munmap(seen, 4096);
    assert_int_equal(open_memfd_to_read(-1, reader).step, Step::make_memfd);
}

void memory_opened_to_read_is_opened_to_write_by_no_other_user(void **) {
    if (geteuid() != 0) skip();
    const Fd fd = shared(4096), before = shared(4096);
    Fd reader;
    assert_true(open_memfd_to_read(fd.get(), reader).ok());
    holds_in_child([&] {
        constexpr uid_t somebody = 65'001;
        claim(setresuid(somebody, somebody, somebody) == 0, "setresuid");
        // By its name in /proc, as long as a descriptor of it is there. The control: any other memfd.
        const auto opened = [](int of) {
            const std::string name = "/proc/self/fd/" + std::to_string(of);
            return Fd{open(name.c_str(), O_RDWR | O_CLOEXEC)}.is_open();
        };
        claim(prctl(PR_SET_DUMPABLE, 1) == 0, "dumpable");
        claim(opened(before.get()), "another memfd is not opened to write");
        claim(!opened(reader.get()), "it is opened to write");
    });
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(sealed_bytes_cannot_change),
        cmocka_unit_test(sealing_waits_for_pages_that_the_kernel_has_in_hand),
        cmocka_unit_test(a_sealed_memfd_does_not_outlive_exec),
        cmocka_unit_test(a_mapping_outlives_its_descriptor_and_moves),
        cmocka_unit_test(no_bytes_map_to_no_bytes),
        cmocka_unit_test(many_bytes_arrive_whole),
        cmocka_unit_test(nothing_unsealed_is_mapped),
        cmocka_unit_test(shared_memory_begins_with_zeros_and_all_views_see_a_change),
        cmocka_unit_test(shared_memory_keeps_its_size_and_its_seals),
        cmocka_unit_test(shared_memory_of_another_size_is_not_mapped),
        cmocka_unit_test(shared_memory_without_its_seals_is_not_mapped),
        cmocka_unit_test(memory_opened_to_read_is_seen_and_not_written),
        cmocka_unit_test(memory_opened_to_read_is_opened_to_write_by_no_other_user),
    };
    return cmocka_run_group_tests_name("memfd", tests, nullptr, nullptr);
}
