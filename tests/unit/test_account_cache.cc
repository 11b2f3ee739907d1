// Claims about what the master remembers of accounts that requests have named.
#include "cmocka_for_cxx.h"

#include "plan/account_cache.h"

using namespace itk2;
using namespace itk2::plan;

namespace {

void what_is_remembered_is_known_until_its_time(void **) {
    static constinit AccountCache cache;
    assert_null(cache.find(1000, 1000, 0));
    cache.remember({1000, 100, true, IdentityKey{7}, 50});
    const KnownAccount *known = cache.find(1000, 100, 49);
    assert_non_null(known);
    assert_int_equal(number(known->identity), 7);
    assert_null(cache.find(1000, 100, 50));
}

void another_gid_is_another_account(void **) {
    static constinit AccountCache cache;
    cache.remember({1000, 100, true, IdentityKey{7}, 50});
    assert_null(cache.find(1000, 101, 0));
    assert_null(cache.find(1001, 100, 0));
}

void of_two_in_one_place_the_later_one_stays(void **) {
    static constinit AccountCache cache;
    constexpr uid_t far = 1 << 14;
    cache.remember({5, 0, true, IdentityKey{1}, 50});
    cache.remember({5 + far, 0, true, IdentityKey{2}, 50});
    assert_null(cache.find(5, 0, 0));
    assert_int_equal(number(cache.find(5 + far, 0, 0)->identity), 2);
}

void nobody_is_known_at_first_not_even_root(void **) {
    static constinit AccountCache cache;
    assert_null(cache.find(0, 0, 0));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(what_is_remembered_is_known_until_its_time),
        cmocka_unit_test(another_gid_is_another_account),
        cmocka_unit_test(of_two_in_one_place_the_later_one_stays),
        cmocka_unit_test(nobody_is_known_at_first_not_even_root),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
