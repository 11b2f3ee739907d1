// Claims about hints: what is learnt, what is not trusted any more, and how much of it is kept.
#include "cmocka_for_cxx.h"

#include "listener/hints.h"

#include <string>

using namespace itk2;
using listener::Hints;
using plan::HintKey;

namespace {

constexpr std::uint64_t now = 5'000'000;
constexpr IdentityKey one{1}, two{2};
constexpr HintKey here{77}, there{78};
constexpr VhostIndex site{0}, other_site{1};

Hints needed() {
    Hints hints;
    hints.start(true, 2);
    return hints;
}

void what_was_learnt_is_found(void **) {
    Hints hints = needed();
    assert_true(hints.find(here, now) == no_identity);
    hints.learn(here, one, now);
    hints.learn(there, two, now);
    assert_true(hints.find(here, now) == one);
    assert_true(hints.find(there, now) == two);
}

void wrong_hint_is_not_used_nor_learnt_again_for_ten_minutes(void **) {
    Hints hints = needed();
    hints.learn(here, one, now);
    (void)hints.refute(here, site, one, now);
    assert_true(hints.find(here, now) == no_identity);
    for (const IdentityKey identity : {one, two}) {
        hints.learn(here, identity, now + Hints::distrust_ms - 1000);
        assert_true(hints.find(here, now) == no_identity);
    }
    hints.learn(here, two, now + Hints::distrust_ms);
    assert_true(hints.find(here, now + Hints::distrust_ms) == two);
}

void hint_for_another_identity_is_not_refuted(void **) {
    Hints hints = needed();
    hints.learn(here, one, now);
    (void)hints.refute(here, site, two, now);
    (void)hints.refute(there, site, one, now);
    assert_true(hints.find(here, now) == one);
    hints.learn(there, one, now); // a place that was not known
    assert_true(hints.find(there, now) == one);
}

void place_of_two_identities_is_trusted_to_neither(void **) {
    Hints hints = needed();
    hints.learn(here, one, now);
    hints.learn(here, two, now);
    assert_true(hints.find(here, now) == no_identity);
    hints.learn(here, two, now + 1);
    assert_true(hints.find(here, now) == no_identity);
}

void what_was_found_for_a_while_is_forgotten_then(void **) {
    Hints hints = needed();
    hints.learn(here, one, now, now + 60'000);
    assert_true(hints.find(here, now + 59'000) == one);
    assert_true(hints.find(here, now + 60'000) == no_identity);
    // Whoever it is then is learnt at once, as nothing was wrong.
    hints.learn(here, two, now + 60'000);
    assert_true(hints.find(here, now + 600'000'000) == two);
}

void site_that_was_wrong_three_times_is_not_trusted(void **) {
    Hints hints = needed();
    for (std::uint64_t number = 1; number <= 3; number++) {
        assert_true(hints.are_trusted(site));
        hints.learn(HintKey{number}, one, now);
        assert_true(hints.refute(HintKey{number}, site, one, now) == (number == 3));
    }
    assert_false(hints.are_trusted(site));
    assert_true(hints.are_trusted(other_site));
    assert_false(hints.are_trusted(VhostIndex{2}));
    hints.start(true, 2);
    assert_true(hints.are_trusted(site));
}

void new_start_forgets_all(void **) {
    Hints hints = needed();
    hints.learn(here, one, now);
    (void)hints.refute(here, site, one, now);
    hints.learn(there, one, now);
    hints.start(true, 2);
    assert_int_equal(hints.count(), 0);
    assert_true(hints.find(there, now) == no_identity);
    hints.learn(here, one, now);
    assert_true(hints.find(here, now) == one);
}

void nothing_is_kept_where_nobody_needs_it(void **) {
    Hints hints;
    hints.learn(here, one, now);
    (void)hints.refute(here, site, one, now);
    assert_true(hints.find(here, now) == no_identity);
    hints.start(true, 2);
    hints.start(false, 2);
    hints.learn(here, one, now);
    assert_true(hints.find(here, now) == no_identity);
    assert_int_equal(hints.count(), 0);
}

void nothing_is_learnt_of_no_place(void **) {
    Hints hints = needed();
    hints.learn(plan::no_hint, one, now);
    assert_true(hints.find(plan::no_hint, now) == no_identity);
    assert_int_equal(hints.count(), 0);
}

void the_longest_unused_one_makes_room(void **) {
    Hints hints = needed();
    // All of one set.
    const auto key = [](std::uint64_t number) {
        return HintKey{number << 32 | 5};
    };
    for (std::uint64_t number = 1; number <= 4; number++) hints.learn(key(number), one, now);
    assert_true(hints.find(key(1), now) == one);
    hints.learn(key(5), one, now);
    assert_true(hints.find(key(2), now) == no_identity);
    for (const std::uint64_t number : {1, 3, 4, 5}) assert_true(hints.find(key(number), now) == one);
}

void a_million_hosts_take_no_more_than_their_share(void **) {
    Hints hints = needed();
    const plan::SipKey secret{3, 4};
    const auto key = [&](unsigned number) {
        const std::string host = "h" + std::to_string(number) + ".example";
        return plan::hint_key(secret, VhostIndex{0}, plan::HintScope::host,
                              {plan::Sight::http, false, 0, true, host, "/"});
    };
    unsigned found = 0;
    for (unsigned number = 0; number < 1'000'000; number++) {
        hints.learn(key(number), one, now);
        if (hints.find(key(number), now) == one) found++;
    }
    assert_int_equal(found, 1'000'000); // the last one is always there
    assert_true(hints.count() <= Hints::most);
    assert_true(hints.count() > Hints::most * 9 / 10); // and hosts are spread over all of the room
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(what_was_learnt_is_found),
        cmocka_unit_test(wrong_hint_is_not_used_nor_learnt_again_for_ten_minutes),
        cmocka_unit_test(hint_for_another_identity_is_not_refuted),
        cmocka_unit_test(place_of_two_identities_is_trusted_to_neither),
        cmocka_unit_test(what_was_found_for_a_while_is_forgotten_then),
        cmocka_unit_test(site_that_was_wrong_three_times_is_not_trusted),
        cmocka_unit_test(new_start_forgets_all),
        cmocka_unit_test(nothing_is_kept_where_nobody_needs_it),
        cmocka_unit_test(nothing_is_learnt_of_no_place),
        cmocka_unit_test(the_longest_unused_one_makes_room),
        cmocka_unit_test(a_million_hosts_take_no_more_than_their_share),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
