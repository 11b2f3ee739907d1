// Claims about whose memory is kept that has no process.
#include "cmocka_for_cxx.h"

#include "plan/kept_memory.h"

using namespace itk2;
using itk2::plan::KeptMemory;

namespace {

constexpr IdentityKey one{1}, two{2}, three{3};

void what_is_allowed_is_kept(void **) {
    KeptMemory kept;
    kept.allow(100, 2);
    assert_true(kept.keep(one, 60));
    assert_true(kept.keep(two, 40));
    assert_true(kept.surplus() == no_identity);
    assert_int_equal(kept.bytes(), 100);
}

void those_without_a_process_for_longest_go_first(void **) {
    KeptMemory kept;
    kept.allow(100, 9);
    assert_true(kept.keep(one, 40));
    assert_true(kept.keep(two, 50));
    kept.forget(one);                // was served again,
    assert_true(kept.keep(one, 40)); // and ended
    assert_true(kept.keep(three, 90));
    assert_true(kept.surplus() == two);
    kept.forget(two);
    assert_true(kept.surplus() == one);
    kept.forget(one);
    assert_true(kept.surplus() == no_identity);
    assert_int_equal(kept.bytes(), 90);
}

void there_is_a_greatest_number_too(void **) {
    KeptMemory kept;
    kept.allow(UINT64_MAX, 2);
    for (const IdentityKey identity : {one, two, three}) assert_true(kept.keep(identity, 0));
    assert_true(kept.surplus() == one);
    kept.forget(one);
    assert_true(kept.surplus() == no_identity);
}

void what_alone_is_too_much_drives_nobody_out(void **) {
    KeptMemory kept;
    kept.allow(100, 2);
    assert_true(kept.keep(one, 100));
    assert_false(kept.keep(two, 101));
    assert_true(kept.surplus() == no_identity);
    kept.allow(0, 2);
    assert_false(kept.keep(two, 1));
    kept.allow(100, 0);
    assert_false(kept.keep(two, 1));
}

void nobody_is_forgotten_for_another(void **) {
    KeptMemory kept;
    kept.allow(100, 2);
    kept.forget(one);
    assert_true(kept.keep(one, 30));
    kept.forget(two);
    assert_int_equal(kept.bytes(), 30);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(what_is_allowed_is_kept),
        cmocka_unit_test(those_without_a_process_for_longest_go_first),
        cmocka_unit_test(there_is_a_greatest_number_too),
        cmocka_unit_test(what_alone_is_too_much_drives_nobody_out),
        cmocka_unit_test(nobody_is_forgotten_for_another),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
