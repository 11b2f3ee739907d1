// Claims about how many workers a pool wants.
#include "cmocka_for_cxx.h"

#include "plan/growth.h"

using namespace itk2::plan;

namespace {

std::uint32_t more(std::uint32_t workers, std::uint32_t waiting, std::uint32_t served) {
    return more_workers({workers, waiting, served, 12, 0, 0});
}

void whoever_waits_gets_one_of_the_first_few(void **) {
    assert_int_equal(more(0, 3, 0), 3);
    assert_int_equal(more(1, 1, 500), 1);
    assert_int_equal(more(few_workers - 1, 100, 500), 1);
}

void nobody_waiting_wants_nobody(void **) {
    assert_int_equal(more(0, 0, 0), 0);
    assert_int_equal(more(100, 0, 0), 0);
}

void many_short_requests_wait_for_the_few(void **) {
    // 1,000 clients, 25 answers a millisecond: 40 ms to wait, whoever answers.
    assert_int_equal(more(8, 990, 300), 0);
}

void slow_requests_get_more_workers(void **) {
    // 8 workers that sleep 100 ms each: about one answer in a look.
    assert_int_equal(more(8, 20, 1), 8);
    assert_int_equal(more(16, 5, 2), 5);
}

void a_pool_that_serves_nobody_doubles(void **) {
    assert_int_equal(more(8, 1000, 0), 8);
    assert_int_equal(more(64, 1000, 0), 64);
}

void even_short_requests_do_not_wait_for_ever(void **) { assert_int_equal(more(8, 10'000, 100), 8); }

void nobody_is_asked_for_while_others_are_to_come(void **) {
    assert_int_equal(more_workers({8, 1000, 0, 12, 8, 0}), 0);
    assert_int_equal(more_workers({8, 1000, 0, 12, 0, 0}), 8);
}

void a_pool_that_grew_in_vain_stays_as_it_is(void **) {
    // 10 in 40 ms are 250 a second.
    assert_int_equal(more_workers({16, 1000, 10, 40, 0, 250}), 0);
    assert_int_equal(more_workers({16, 1000, 10, 40, 0, 125}), 16);
    assert_int_equal(more_workers({16, 1000, 10, 40, 0, 0}), 16);
}

void large_numbers_do_not_run_over(void **) {
    assert_int_equal(more_workers({UINT32_MAX, UINT32_MAX, 1, UINT32_MAX, 0, 0}), UINT32_MAX);
    assert_int_equal(more_workers({8, UINT32_MAX, UINT32_MAX, 1, 0, 0}), 0);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(whoever_waits_gets_one_of_the_first_few),
        cmocka_unit_test(nobody_waiting_wants_nobody),
        cmocka_unit_test(many_short_requests_wait_for_the_few),
        cmocka_unit_test(slow_requests_get_more_workers),
        cmocka_unit_test(a_pool_that_serves_nobody_doubles),
        cmocka_unit_test(even_short_requests_do_not_wait_for_ever),
        cmocka_unit_test(nobody_is_asked_for_while_others_are_to_come),
        cmocka_unit_test(a_pool_that_grew_in_vain_stays_as_it_is),
        cmocka_unit_test(large_numbers_do_not_run_over),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
