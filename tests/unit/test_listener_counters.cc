// Claims about what listeners count: of one listener, and of several over one memory.
#include "cmocka_for_cxx.h"

#include "listener/counters.h"

#include <algorithm>
#include <array>

using namespace itk2;
using listener::Counters;

namespace {

constexpr std::size_t vhosts = 3;
constexpr std::size_t listeners = 2;
constexpr std::size_t row = plan::row_length(vhosts);
constexpr VhostIndex first{0}, second{1}, last{2}, beyond{3};

// What the master hands to all listeners, and a view of it.
struct Memory {
    os::Fd fd;
    os::SharedMapping view;

    Memory() {
        assert_true(os::make_shared_memfd("test", size, fd).ok());
        view = map();
    }
    [[nodiscard]] os::SharedMapping map() const {
        os::SharedMapping mapping;
        assert_true(os::map_shared(fd.get(), size, mapping).ok());
        return mapping;
    }
    // The busy ones of each vhost, listener by listener; all else is 0.
    [[nodiscard]] bool holds(const std::array<std::uint32_t, listeners * vhosts> &expected) const {
        std::array<std::uint32_t, listeners * row> numbers{};
        for (std::size_t i = 0; i < expected.size(); i++)
            numbers[i / vhosts * row + plan::place_of_busy(i % vhosts)] = expected[i];
        return std::ranges::equal(view.numbers(), numbers);
    }
    [[nodiscard]] std::uint32_t at(std::size_t listener, std::size_t place) const {
        return view.numbers()[listener * row + place];
    }
    [[nodiscard]] std::uint32_t in_state(plan::Held state) const { return at(0, plan::place_of(state)); }

    static constexpr std::size_t size = plan::counting_size(listeners, vhosts);
};

void claim_that_two_are_the_most(Counters &load) {
    assert_true(load.has_room(second, 2));
    load.enter(second);
    assert_true(load.has_room(second, 2));
    load.enter(second);
    assert_false(load.has_room(second, 2));
    assert_true(load.has_room(second, 3));
    assert_true(load.has_room(second, 0)); // no limit
    assert_true(load.has_room(first, 1));
    assert_true(load.has_room(last, 1));
    load.leave(second);
    assert_true(load.has_room(second, 2));
}

void a_listener_counts_from_zero_in_each_generation(void **) {
    const Memory memory, next;
    Counters load;
    load.start(vhosts, memory.map(), 0);
    claim_that_two_are_the_most(load);
    load.start(vhosts, next.map(), 0);
    assert_true(load.has_room(second, 1));
}

void one_of_several_counts_as_the_first(void **) {
    const Memory memory;
    Counters load;
    load.start(vhosts, memory.map(), 1);
    claim_that_two_are_the_most(load);
}

void several_listeners_have_one_limit(void **) {
    const Memory memory;
    Counters one, other;
    one.start(vhosts, memory.map(), 0);
    other.start(vhosts, memory.map(), 1);
    one.enter(last);
    assert_true(other.has_room(last, 2));
    other.enter(last);
    assert_false(one.has_room(last, 2));
    assert_false(other.has_room(last, 2));
    assert_true(one.has_room(first, 1));
    one.leave(last);
    assert_true(one.has_room(last, 2));
    assert_true(other.has_room(last, 2));
}

void each_writes_its_own_row_only(void **) {
    const Memory memory;
    Counters one, other;
    one.start(vhosts, memory.map(), 0);
    other.start(vhosts, memory.map(), 1);
    one.enter(last);
    one.enter(last);
    other.enter(first);
    assert_true(memory.holds({0, 0, 2, 1, 0, 0}));
    one.leave(first); // it has none there; the other has
    assert_true(memory.holds({0, 0, 2, 1, 0, 0}));
    one.leave(last);
    other.leave(first);
    assert_true(memory.holds({0, 0, 1, 0, 0, 0}));
}

void what_a_dead_listener_had_ends_with_its_successors_start(void **) {
    const Memory memory;
    Counters other;
    other.start(vhosts, memory.map(), 0);
    other.enter(second);
    {
        Counters dying;
        dying.start(vhosts, memory.map(), 1);
        dying.enter(first);
        dying.enter(second);
    }
    assert_true(memory.holds({0, 1, 0, 1, 1, 0}));
    Counters successor;
    successor.start(vhosts, memory.map(), 1);
    assert_true(memory.holds({0, 1, 0, 0, 0, 0}));
    assert_true(successor.has_room(first, 1));
    assert_false(successor.has_room(second, 1));
}

void a_generation_does_not_touch_the_memory_of_the_one_before(void **) {
    const Memory former, next;
    Counters load;
    load.start(vhosts, former.map(), 0);
    load.enter(first);
    load.start(vhosts, next.map(), 0);
    load.enter(last);
    load.leave(first);
    assert_true(former.holds({1, 0, 0, 0, 0, 0}));
    assert_true(next.holds({0, 0, 1, 0, 0, 0}));
}

void an_unknown_vhost_is_not_counted(void **) {
    const Memory memory;
    Counters load, alone;
    load.start(vhosts, memory.map(), 0);
    load.enter(beyond);
    load.leave(beyond);
    assert_true(load.has_room(beyond, 1));
    assert_true(memory.holds({0, 0, 0, 0, 0, 0}));
    alone.enter(first); // before any generation
    assert_true(alone.has_room(first, 1));
}

void what_is_queued_is_counted_of_all_and_of_its_vhost(void **) {
    const Memory memory;
    Counters load;
    load.start(vhosts, memory.map(), 0);
    load.queue(last);
    load.queue(last);
    load.queue(beyond);
    assert_int_equal(memory.in_state(plan::Held::queued), 3);
    assert_int_equal(memory.at(0, plan::place_of_queued(number(last), vhosts)), 2);
    load.unqueue(last);
    load.unqueue(beyond);
    assert_int_equal(memory.in_state(plan::Held::queued), 1);
    assert_int_equal(memory.at(0, plan::place_of_queued(number(last), vhosts)), 1);
    assert_true(load.has_room(last, 1)); // it has not entered
    load.unqueue(first);                 // there is none of it
    assert_int_equal(memory.at(0, plan::place_of_queued(number(first), vhosts)), 0);
    assert_int_equal(memory.at(0, plan::place_of_queued(number(second), vhosts)), 0);
}

void those_in_no_other_state_are_busy(void **) {
    const Memory memory;
    Counters load;
    load.tell(1, 1, 0, 0); // before any generation
    load.start(vhosts, memory.map(), 0);
    load.queue(first);
    load.tell(20, 3, 5, 7);
    assert_int_equal(memory.in_state(plan::Held::waiting), 3);
    assert_int_equal(memory.in_state(plan::Held::idle), 5);
    assert_int_equal(memory.in_state(plan::Held::queued), 1);
    assert_int_equal(memory.in_state(plan::Held::lingering), 7);
    assert_int_equal(memory.in_state(plan::Held::busy), 4);
    for (std::size_t place = 0; place < row; place++) assert_int_equal(memory.at(1, place), 0); // the other's
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_listener_counts_from_zero_in_each_generation),
        cmocka_unit_test(one_of_several_counts_as_the_first),
        cmocka_unit_test(several_listeners_have_one_limit),
        cmocka_unit_test(each_writes_its_own_row_only),
        cmocka_unit_test(what_a_dead_listener_had_ends_with_its_successors_start),
        cmocka_unit_test(a_generation_does_not_touch_the_memory_of_the_one_before),
        cmocka_unit_test(an_unknown_vhost_is_not_counted),
        cmocka_unit_test(what_is_queued_is_counted_of_all_and_of_its_vhost),
        cmocka_unit_test(those_in_no_other_state_are_busy),
    };
    return cmocka_run_group_tests_name("listener counters", tests, nullptr, nullptr);
}
