// Claims about the listener's deadlines: never early, never lost.
#include "cmocka_for_cxx.h"

#include "listener/timers.h"

#include <array>
#include <cstdint>
#include <random>

using namespace itk2::listener;

namespace {

constexpr std::uint64_t start = 1'000'003;

struct One : Timer {
    One() : Timer(TimerOf::pool) {}
    std::uint64_t fired_at = 0;
    int times = 0;
};

void expire(Timers &timers, std::uint64_t now) {
    timers.expire(now, [now](Timer &timer) {
        One &one = static_cast<One &>(timer);
        one.fired_at = now;
        one.times++;
    });
}

// Goes on as the poller would, from one wake-up to the next.
std::uint64_t run_until(Timers &timers, std::uint64_t now, std::uint64_t end) {
    while (now < end) {
        const int wait = timers.wait_ms(now);
        if (wait < 0) return now;
        now += static_cast<std::uint64_t>(wait);
        expire(timers, now);
    }
    return now;
}

void assert_fires_on_time(std::uint64_t delay) {
    Timers timers(start);
    One one;
    timers.arm(one, start + delay);
    run_until(timers, start, start + delay + 10'000);
    assert_int_equal(one.times, 1);
    assert_in_range(one.fired_at, start + delay, start + delay + 8);
    assert_int_equal(timers.wait_ms(one.fired_at), -1);
}

void every_delay_is_kept(void **) {
    for (const std::uint64_t delay :
         {0,    1,    3,    4,    5,      255,     1000,    1019,    1020,    1023,    1024,     1025,
          1028, 2047, 2048, 5000, 60'000, 262'143, 262'144, 262'145, 300'000, 600'000, 3'600'000})
        assert_fires_on_time(delay);
}

void disarmed_timer_never_fires(void **) {
    Timers timers(start);
    One one;
    timers.arm(one, start + 50);
    Timers::disarm(one);
    run_until(timers, start, start + 1000);
    assert_int_equal(one.times, 0);
}

void timer_armed_later_fires_later(void **) {
    Timers timers(start);
    One one;
    timers.arm(one, start + 50);
    timers.arm(one, start + 5000);
    run_until(timers, start, start + 10'000);
    assert_int_equal(one.times, 1);
    assert_in_range(one.fired_at, start + 5000, start + 5008);
}

void timer_armed_sooner_fires_sooner(void **) {
    Timers timers(start);
    One one;
    timers.arm(one, start + 500'000);
    timers.arm(one, start + 50);
    run_until(timers, start, start + 1000);
    assert_int_equal(one.times, 1);
    assert_in_range(one.fired_at, start + 50, start + 58);
}

void timer_disarmed_and_armed_again_fires_once(void **) {
    Timers timers(start);
    One one;
    timers.arm(one, start + 5000);
    Timers::disarm(one);
    timers.arm(one, start + 7000);
    run_until(timers, start, start + 20'000);
    assert_int_equal(one.times, 1);
    assert_in_range(one.fired_at, start + 7000, start + 7008);
}

void forgotten_timer_is_in_no_list(void **) {
    Timers timers(start);
    One one;
    timers.arm(one, start + 50);
    Timers::forget(one);
    assert_false(one.is_linked());
    run_until(timers, start, start + 1000);
    assert_int_equal(one.times, 0);
}

void timer_may_be_armed_by_another_ones_end(void **) {
    Timers timers(start);
    One first;
    One second;
    timers.arm(first, start + 10);
    std::uint64_t now = start;
    while (now < start + 100) {
        const int wait = timers.wait_ms(now);
        if (wait < 0) break;
        now += static_cast<std::uint64_t>(wait);
        timers.expire(now, [&](Timer &timer) {
            static_cast<One &>(timer).times++;
            if (&timer == &first) timers.arm(second, now + 20);
        });
    }
    assert_int_equal(first.times, 1);
    assert_int_equal(second.times, 1);
}

void none_of_many_is_early_or_lost(void **) {
    std::mt19937 random(1);
    Timers timers(start);
    std::array<One, 500> all;
    std::uint64_t now = start;
    for (int round = 0; round < 20'000; round++) {
        One &one = all[random() % all.size()];
        if (random() % 4 == 0)
            Timers::disarm(one);
        else
            timers.arm(one, now + random() % (random() % 2 == 0 ? 3000 : 400'000));
        now += random() % 40;
        timers.expire(now, [now](Timer &timer) {
            // due is 0 by now; placed_for is the deadline of its last placement
            assert_true(timer.placed_for <= now);
        });
        for (const One &each : all) assert_true(each.due == 0 || each.due + 8 > now);
    }
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(every_delay_is_kept),
        cmocka_unit_test(disarmed_timer_never_fires),
        cmocka_unit_test(timer_armed_later_fires_later),
        cmocka_unit_test(timer_armed_sooner_fires_sooner),
        cmocka_unit_test(timer_disarmed_and_armed_again_fires_once),
        cmocka_unit_test(forgotten_timer_is_in_no_list),
        cmocka_unit_test(timer_may_be_armed_by_another_ones_end),
        cmocka_unit_test(none_of_many_is_early_or_lost),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
