// Claims about who gets the next worker, and who has to wait.
#include "cmocka_for_cxx.h"

#include "plan/evictions.h"
#include "plan/patience.h"
#include "plan/staffing.h"

#include <initializer_list>

using namespace itk2;
using namespace itk2::plan;

namespace {

constexpr IdentityKey anna{0}, bert{1}, carl{2};

struct Staff : Staffing {
    Staff(std::uint32_t listeners, std::uint32_t identities) { assert_true(reserve(listeners, identities)); }
    ~Staff() { give_back(); }
};

bool next(const Staffing &staffing, Need &need, std::int64_t now_ms = 0) {
    std::uint32_t looked = 0;
    return staffing.next(now_ms, looked, need);
}

void nobody_needs_anything_at_first(void **) {
    Need need;
    const Staff staffing(2, 3);
    assert_false(staffing.anyone_needs());
    assert_false(next(staffing, need));
}

void what_was_asked_is_needed_until_given(void **) {
    Staff staffing(2, 3);
    assert_true(staffing.asked(1, bert, 2));
    Need need;
    for (int i = 0; i < 2; i++) {
        assert_true(next(staffing, need));
        assert_int_equal(need.listener, 1);
        assert_int_equal(number(need.identity), number(bert));
        staffing.given(need);
    }
    assert_false(next(staffing, need));
    assert_false(staffing.anyone_needs());
}

void asking_the_same_again_orders_nothing_more(void **) {
    Staff staffing(1, 1);
    assert_true(staffing.asked(0, anna, 1));
    assert_true(staffing.asked(0, anna, 1));
    Need need;
    assert_true(next(staffing, need));
    staffing.given(need);
    // Said before the listener has seen the worker it was given.
    assert_true(staffing.asked(0, anna, 1));
    assert_false(next(staffing, need));
}

void parsers_are_asked_for_like_workers(void **) {
    Staff staffing(2, 1);
    assert_true(staffing.asked(1, no_identity, 1));
    Need need;
    assert_true(next(staffing, need));
    assert_int_equal(need.listener, 1);
    assert_int_equal(number(need.identity), number(no_identity));
    staffing.given(need);
    assert_false(staffing.anyone_needs());
    assert_non_null(staffing.throttle(no_identity));
    assert_true(staffing.throttle(no_identity) != staffing.throttle(anna));
}

void what_was_given_unasked_counts_for_both_sides(void **) {
    Staff staffing(1, 1);
    const Need parser{0, no_identity};
    for (int i = 0; i < 3; i++) staffing.given(parser);
    assert_false(staffing.anyone_needs());
    // The listener counts those three too.
    assert_true(staffing.asked(0, no_identity, 4));
    Need need;
    assert_true(next(staffing, need));
    staffing.given(need);
    assert_false(staffing.anyone_needs());
}

void identities_that_come_later_keep_the_counts_of_others(void **) {
    Staff staffing(2, 1);
    assert_true(staffing.asked(1, anna, 2));
    assert_false(staffing.asked(1, carl, 1));
    assert_true(staffing.reserve(2, 3));
    assert_true(staffing.asked(1, carl, 1));
    Need need;
    std::uint32_t of_anna = 0;
    for (int i = 0; i < 3; i++) {
        assert_true(next(staffing, need));
        of_anna += need.identity == anna;
        staffing.given(need);
    }
    assert_int_equal(of_anna, 2);
    assert_false(staffing.anyone_needs());
}

void a_need_can_be_taken_back(void **) {
    Staff staffing(1, 1);
    assert_true(staffing.asked(0, anna, 5));
    assert_true(staffing.asked(0, anna, 0));
    assert_false(staffing.anyone_needs());
    Need need;
    assert_true(staffing.asked(0, anna, 1));
    assert_true(next(staffing, need));
}

void everyone_has_his_turn(void **) {
    Staff staffing(1, 3);
    for (const IdentityKey identity : {anna, bert, carl}) assert_true(staffing.asked(0, identity, 10));
    std::uint32_t got[3] = {};
    Need need;
    for (int i = 0; i < 6; i++) {
        assert_true(next(staffing, need));
        staffing.given(need);
        got[number(need.identity)]++;
    }
    for (const std::uint32_t count : got) assert_int_equal(count, 2);
}

void one_that_can_t_be_met_does_not_stop_the_others(void **) {
    Staff staffing(1, 2);
    assert_true(staffing.asked(0, anna, 1));
    assert_true(staffing.asked(0, bert, 1));
    Need need;
    std::uint32_t looked = 0;
    assert_true(staffing.next(0, looked, need));
    assert_int_equal(number(need.identity), number(anna));
    assert_true(staffing.next(0, looked, need));
    assert_int_equal(number(need.identity), number(bert));
    assert_false(staffing.next(0, looked, need));
}

void nonsense_is_refused(void **) {
    Staff staffing(1, 2);
    assert_false(staffing.asked(1, anna, 1));
    assert_false(staffing.asked(0, carl, 1));
    assert_false(staffing.asked(0, anna, 1u << 30));
    assert_false(staffing.anyone_needs());
}

void an_ended_listener_asks_for_nothing_and_a_new_one_counts_afresh(void **) {
    Staff staffing(2, 2);
    assert_true(staffing.asked(0, anna, 3));
    assert_true(staffing.asked(1, anna, 1));
    staffing.forget_asked(0);
    Need need;
    assert_true(next(staffing, need));
    assert_int_equal(need.listener, 1);
    staffing.given(need);
    assert_false(staffing.anyone_needs());
    assert_true(staffing.asked(0, anna, 1));
    assert_true(staffing.anyone_needs());
}

void room_for_more_identities_keeps_what_is_there(void **) {
    Staff staffing(2, 1);
    assert_true(staffing.asked(1, anna, 1));
    assert_true(staffing.reserve(2, 100));
    Need need;
    assert_true(next(staffing, need));
    assert_int_equal(need.listener, 1);
    assert_true(staffing.asked(0, IdentityKey{99}, 1));
    assert_false(staffing.reserve(3, 100));
}

void failed_births_hold_back_only_their_own_class(void **) {
    Staff staffing(1, 2);
    assert_true(staffing.asked(0, anna, 1));
    assert_true(staffing.asked(0, bert, 1));
    staffing.throttle(anna)->birth_failed(1000);
    Need need;
    assert_true(next(staffing, need, 1001));
    assert_int_equal(number(need.identity), number(bert));
    staffing.given(need);
    assert_false(next(staffing, need, 1001));
    assert_true(next(staffing, need, 1000 + staffing.throttle(anna)->wait_ms()));
}

void waits_grow_to_half_a_minute_and_are_forgotten(void **) {
    Throttle throttle;
    std::int64_t now_ms = 0;
    std::uint32_t before = 0;
    for (int i = 0; i < 20; i++) {
        throttle.birth_failed(now_ms);
        assert_true(throttle.wait_ms() >= before);
        before = throttle.wait_ms();
        now_ms = throttle.not_before_ms();
    }
    assert_int_equal(before, 30'000);
    throttle.birth_succeeded();
    assert_int_equal(throttle.not_before_ms(), 0);
}

void those_that_fail_together_count_once(void **) {
    Throttle throttle;
    for (int i = 0; i < 10; i++) throttle.birth_failed(50);
    Throttle once;
    once.birth_failed(50);
    assert_int_equal(throttle.wait_ms(), once.wait_ms());
}

void crashes_hold_back_for_a_second_at_most(void **) {
    Throttle throttle;
    std::int64_t now_ms = 0;
    for (int i = 0; i < 20; i++) {
        throttle.birth_failed(now_ms, Cause::crash);
        now_ms = throttle.not_before_ms();
    }
    assert_int_equal(throttle.wait_ms(), 1000);
}

void patience_is_lost_by_and_by_and_regained_at_once(void **) {
    Patience patience(5);
    assert_int_equal(patience.wait_ms(), 5);
    for (int i = 0; i < 3; i++) patience.none_came();
    assert_int_equal(patience.wait_ms(), 0);
    int probes = 0;
    for (int i = 0; i < 64; i++) probes += patience.wait_ms() == 5;
    assert_true(probes >= 3 && probes <= 5);
    patience.request_came();
    assert_int_equal(patience.wait_ms(), 5);
}

void no_patience_never_waits(void **) {
    Patience patience(0);
    for (int i = 0; i < 64; i++) assert_int_equal(patience.wait_ms(), 0);
}

void one_that_waits_ends_one_worker_however_often_it_is_looked_at(void **) {
    Evictions evictions;
    assert_true(evictions.ask(1, 5000));
    for (int look = 0; look < 40; look++) assert_false(evictions.ask(1, 5000 + look));
    evictions.worker_ended();
    assert_true(evictions.ask(1, 5040));
}

void those_that_wait_together_get_their_places_together(void **) {
    Evictions evictions;
    for (std::uint32_t waiting = 1; waiting <= 16; waiting++) assert_true(evictions.ask(waiting, 5000));
    for (std::uint32_t waiting = 1; waiting <= 16; waiting++) assert_false(evictions.ask(waiting, 5001));
    assert_false(evictions.ask(17, 5001)); // that is enough at a time
}

void who_is_not_heard_asks_again(void **) {
    Evictions evictions;
    assert_true(evictions.ask(1, 5000));
    assert_false(evictions.ask(1, 5050));
    assert_true(evictions.ask(1, 5051));
}

void a_place_is_kept_free_only_while_places_change_hands(void **) {
    Evictions evictions;
    assert_false(evictions.ask_ahead(5000)); // nobody has ever waited: those that fill it all are left alone
    assert_true(evictions.ask(1, 5000));
    evictions.worker_ended();
    assert_false(evictions.ask_ahead(5000)); // one that has workers wants more: nobody's turn comes
    evictions.places_change_hands(5000);
    assert_true(evictions.ask(1, 5000));
    assert_false(evictions.ask_ahead(5000)); // that one is yet to end
    evictions.worker_ended();
    assert_true(evictions.ask_ahead(5010));
    assert_false(evictions.ask_ahead(5010));
    evictions.worker_ended();
    assert_true(evictions.ask_ahead(14'999));
    evictions.worker_ended();
    assert_false(evictions.ask_ahead(15'000));
}

void eight_cores_have_one_listener(void **) {
    for (const std::uint32_t cores : {1u, 2u, 8u}) assert_int_equal(default_listeners(cores), 1);
    assert_int_equal(default_listeners(9), 2);
    assert_int_equal(default_listeners(64), 8);
}

void crashes_now_and_then_cost_nothing(void **) {
    Throttle throttle;
    for (std::int64_t now_ms = 10'000; now_ms < 1'000'000; now_ms += 5'000) {
        assert_false(throttle.crashed(now_ms));
        assert_int_equal(throttle.not_before_ms(), 0);
    }
}

void crashes_again_and_again_cost_growing_waits_up_to_a_second(void **) {
    Throttle throttle;
    std::int64_t now_ms = 10'000;
    for (int i = 0; i < 3; i++) assert_false(throttle.crashed(now_ms));
    std::uint32_t before = 0;
    for (int i = 0; i < 8; i++) {
        assert_true(throttle.crashed(now_ms));
        assert_true(throttle.wait_ms() >= before);
        before = throttle.wait_ms();
        assert_false(throttle.crashed(now_ms)); // meanwhile: counted once
        now_ms = throttle.not_before_ms();
    }
    assert_int_equal(before, 1000);
    assert_false(throttle.crashed(now_ms + 1'000'000)); // forgotten
    assert_int_equal(throttle.not_before_ms(), 0);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(crashes_now_and_then_cost_nothing),
        cmocka_unit_test(crashes_again_and_again_cost_growing_waits_up_to_a_second),
        cmocka_unit_test(nobody_needs_anything_at_first),
        cmocka_unit_test(what_was_asked_is_needed_until_given),
        cmocka_unit_test(parsers_are_asked_for_like_workers),
        cmocka_unit_test(what_was_given_unasked_counts_for_both_sides),
        cmocka_unit_test(identities_that_come_later_keep_the_counts_of_others),
        cmocka_unit_test(asking_the_same_again_orders_nothing_more),
        cmocka_unit_test(a_need_can_be_taken_back),
        cmocka_unit_test(everyone_has_his_turn),
        cmocka_unit_test(one_that_can_t_be_met_does_not_stop_the_others),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(an_ended_listener_asks_for_nothing_and_a_new_one_counts_afresh),
        cmocka_unit_test(room_for_more_identities_keeps_what_is_there),
        cmocka_unit_test(failed_births_hold_back_only_their_own_class),
        cmocka_unit_test(waits_grow_to_half_a_minute_and_are_forgotten),
        cmocka_unit_test(those_that_fail_together_count_once),
        cmocka_unit_test(crashes_hold_back_for_a_second_at_most),
        cmocka_unit_test(patience_is_lost_by_and_by_and_regained_at_once),
        cmocka_unit_test(no_patience_never_waits),
        cmocka_unit_test(one_that_waits_ends_one_worker_however_often_it_is_looked_at),
        cmocka_unit_test(those_that_wait_together_get_their_places_together),
        cmocka_unit_test(who_is_not_heard_asks_again),
        cmocka_unit_test(a_place_is_kept_free_only_while_places_change_hands),
        cmocka_unit_test(eight_cores_have_one_listener),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
