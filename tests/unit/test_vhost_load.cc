// Claims about the count of busy connections: of one listener, and of several over one memory.
#include "cmocka_for_cxx.h"

#include "listener/vhost_load.h"

#include <algorithm>
#include <array>

using namespace itk2;
using listener::VhostLoad;

namespace {

constexpr std::size_t vhosts = 3;
constexpr std::size_t listeners = 2;
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
    [[nodiscard]] bool holds(const std::array<std::uint32_t, listeners * vhosts> &expected) const {
        return std::ranges::equal(view.numbers(), expected);
    }

    static constexpr std::size_t size = listeners * vhosts * sizeof(std::uint32_t);
};

void claim_that_two_are_the_most(VhostLoad &load) {
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

void one_listener_counts_alone(void **) {
    VhostLoad load;
    load.start(vhosts);
    claim_that_two_are_the_most(load);
    load.start(vhosts);
    assert_true(load.has_room(second, 1));
}

void one_of_several_counts_as_one_alone(void **) {
    const Memory memory;
    VhostLoad load;
    load.start(vhosts, memory.map(), 1);
    claim_that_two_are_the_most(load);
}

void several_listeners_have_one_limit(void **) {
    const Memory memory;
    VhostLoad one, other;
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
    VhostLoad one, other;
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
    VhostLoad other;
    other.start(vhosts, memory.map(), 0);
    other.enter(second);
    {
        VhostLoad dying;
        dying.start(vhosts, memory.map(), 1);
        dying.enter(first);
        dying.enter(second);
    }
    assert_true(memory.holds({0, 1, 0, 1, 1, 0}));
    VhostLoad successor;
    successor.start(vhosts, memory.map(), 1);
    assert_true(memory.holds({0, 1, 0, 0, 0, 0}));
    assert_true(successor.has_room(first, 1));
    assert_false(successor.has_room(second, 1));
}

void a_generation_does_not_touch_the_memory_of_the_one_before(void **) {
    const Memory former, next;
    VhostLoad load;
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
    VhostLoad load, alone;
    load.start(vhosts, memory.map(), 0);
    load.enter(beyond);
    load.leave(beyond);
    assert_true(load.has_room(beyond, 1));
    assert_true(memory.holds({0, 0, 0, 0, 0, 0}));
    alone.enter(first); // before any generation
    assert_true(alone.has_room(first, 1));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(one_listener_counts_alone),
        cmocka_unit_test(one_of_several_counts_as_one_alone),
        cmocka_unit_test(several_listeners_have_one_limit),
        cmocka_unit_test(each_writes_its_own_row_only),
        cmocka_unit_test(what_a_dead_listener_had_ends_with_its_successors_start),
        cmocka_unit_test(a_generation_does_not_touch_the_memory_of_the_one_before),
        cmocka_unit_test(an_unknown_vhost_is_not_counted),
    };
    return cmocka_run_group_tests_name("vhost_load", tests, nullptr, nullptr);
}
