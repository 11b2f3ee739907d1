// Claims about os/memfd: nobody changes the bytes any more, and nothing unsealed is mapped.
#include "in_child.h"

#include "os/memfd.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
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

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(sealed_bytes_cannot_change),
        cmocka_unit_test(a_sealed_memfd_does_not_outlive_exec),
        cmocka_unit_test(a_mapping_outlives_its_descriptor_and_moves),
        cmocka_unit_test(no_bytes_map_to_no_bytes),
        cmocka_unit_test(many_bytes_arrive_whole),
        cmocka_unit_test(nothing_unsealed_is_mapped),
    };
    return cmocka_run_group_tests_name("memfd", tests, nullptr, nullptr);
}
