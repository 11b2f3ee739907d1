// Claims about the master's table of its children.
#include "cmocka_for_cxx.h"

#include "role/children.h"

#include <fcntl.h>
#include <unistd.h>

using namespace itk2;
using namespace itk2::role;

namespace {

struct Table : Children {
    Table(std::uint32_t capacity, std::uint32_t slots) { assert_true(reserve(capacity, slots)); }
    ~Table() { give_back(); }
};

Child &add_spare(Children &children, pid_t pid, Generation generation = Generation{0}) {
    Child *child = children.unused();
    assert_non_null(child);
    child->stage = Stage::spare;
    child->pid = pid;
    child->generation = generation;
    return *child;
}

Child &add_worker(Children &children, pid_t pid, IdentityKey identity, WorkerId worker) {
    Child &child = add_spare(children, pid);
    Slot slot;
    assert_true(children.free_slot(UINT32_MAX, slot));
    child.identity = identity;
    child.worker = worker;
    children.take_slot(child, slot, Stage::worker);
    return child;
}

void a_child_is_found_by_its_pid_until_removed(void **) {
    Table children(4, 2);
    Child &child = add_spare(children, 77);
    assert_ptr_equal(children.find(77), &child);
    assert_null(children.find(0));
    children.remove(child);
    assert_null(children.find(77));
    assert_int_equal(children.count(), 0);
}

void there_is_no_more_room_than_was_reserved(void **) {
    Table children(2, 1);
    add_spare(children, 1);
    add_spare(children, 2);
    assert_null(children.unused());
    assert_true(children.reserve(3, 1));
    assert_non_null(children.unused());
    assert_non_null(children.find(2));
}

void a_slot_belongs_to_one_worker_at_a_time(void **) {
    Table children(4, 2);
    Child &first = add_worker(children, 1, IdentityKey{0}, WorkerId{1});
    Child &second = add_worker(children, 2, IdentityKey{0}, WorkerId{2});
    assert_int_not_equal(number(first.slot), number(second.slot));
    Slot slot;
    assert_false(children.free_slot(UINT32_MAX, slot));
    children.remove(first);
    assert_true(children.free_slot(UINT32_MAX, slot));
    assert_int_equal(number(slot), 0);
    assert_false(children.free_slot(0, slot));
}

void the_one_who_had_the_slot_before_is_not_found(void **) {
    Table children(4, 1);
    Child &first = add_worker(children, 1, IdentityKey{0}, WorkerId{1});
    const Slot slot = first.slot;
    children.remove(first);
    Child &second = add_worker(children, 2, IdentityKey{0}, WorkerId{2});
    assert_null(children.find_worker(slot, WorkerId{1}));
    assert_ptr_equal(children.find_worker(slot, WorkerId{2}), &second);
    assert_null(children.find_worker(Slot{5000}, WorkerId{2}));
}

void spares_and_workers_are_counted_apart(void **) {
    Table children(8, 8);
    add_spare(children, 1, Generation{0});
    add_spare(children, 2, Generation{1});
    Child &dismissed = add_spare(children, 3, Generation{1});
    dismissed.dismissed = true;
    add_worker(children, 4, IdentityKey{0}, WorkerId{1});
    add_worker(children, 5, IdentityKey{1}, WorkerId{2});
    assert_int_equal(children.spares(Generation{1}, false), 1);
    assert_int_equal(children.spares(Generation{1}, true), 0);
    assert_int_equal(children.workers(), 2);
    assert_int_equal(children.workers_of(IdentityKey{1}), 1);
    assert_int_equal(children.count(), 5);
}

void a_removed_spare_s_channel_is_closed(void **) {
    Table children(1, 1);
    Child &child = add_spare(children, 1);
    child.down = open("/dev/null", O_RDONLY | O_CLOEXEC);
    child.up = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int down = child.down;
    assert_int_not_equal(fcntl(down, F_GETFD), -1);
    children.remove(child);
    assert_int_equal(fcntl(down, F_GETFD), -1);
    assert_int_equal(child.down, -1);
}

void a_parser_is_counted_until_it_is_identified(void **) {
    Table children(4, 2);
    Child &child = *children.unused();
    child.pid = 5;
    child.worker = WorkerId{9};
    child.generation = Generation{3};
    child.listener = 1;
    children.take_slot(child, Slot{0}, Stage::parser);
    assert_int_equal(children.parsers(), 1);
    assert_int_equal(children.parsers(Generation{3}, 1), 1);
    assert_int_equal(children.parsers(Generation{3}, 0), 0);
    assert_int_equal(children.parsers(Generation{2}, 1), 0);
    assert_int_equal(children.workers(), 1);
    assert_ptr_equal(children.find_worker(Slot{0}, WorkerId{9}), &child);

    int link[2];
    assert_int_equal(pipe(link), 0);
    child.down = link[1];
    child.up = link[0];
    child.is_asking = true;
    children.identify(child, IdentityKey{4});
    assert_int_equal(children.parsers(), 0);
    assert_int_equal(children.workers(), 1);
    assert_false(child.is_asking);
    assert_int_equal(fcntl(link[0], F_GETFD), -1);
    assert_int_equal(fcntl(link[1], F_GETFD), -1);
    Slot slot;
    assert_true(children.free_slot(2, slot));
    assert_int_equal(number(slot), 1);
    children.remove(child);
    assert_true(children.free_slot(2, slot));
    assert_int_equal(number(slot), 0);
}

void a_worker_that_was_a_parser_takes_nobody_s_room_in_the_pool(void **) {
    Table children(4, 3);
    add_worker(children, 1, IdentityKey{4}, WorkerId{1});
    Child &child = *children.unused();
    child.pid = 2;
    child.worker = WorkerId{2};
    children.take_slot(child, Slot{1}, Stage::parser);
    children.identify(child, IdentityKey{4});
    assert_int_equal(children.workers_of(IdentityKey{4}), 1);
    assert_int_equal(children.workers(), 2);
    children.remove(child);
    // Whoever has its place in the table next was none.
    add_worker(children, 3, IdentityKey{4}, WorkerId{3});
    assert_int_equal(children.workers_of(IdentityKey{4}), 2);
}

void a_worker_that_was_a_parser_has_none_of_its_identity_s_memory(void **) {
    Table children(4, 3);
    Child &parser = *children.unused();
    parser.pid = 1;
    parser.generation = Generation{3};
    children.take_slot(parser, Slot{0}, Stage::parser);
    children.identify(parser, IdentityKey{4});
    assert_false(children.has_worker(IdentityKey{4}, Generation{3}));
    Child &worker = add_worker(children, 2, IdentityKey{4}, WorkerId{1});
    worker.generation = Generation{3};
    assert_true(children.has_worker(IdentityKey{4}, Generation{3}));
    assert_false(children.has_worker(IdentityKey{4}, Generation{2}));
    assert_false(children.has_worker(IdentityKey{3}, Generation{3}));
    children.remove(worker);
    assert_false(children.has_worker(IdentityKey{4}, Generation{3}));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_parser_is_counted_until_it_is_identified),
        cmocka_unit_test(a_worker_that_was_a_parser_takes_nobody_s_room_in_the_pool),
        cmocka_unit_test(a_worker_that_was_a_parser_has_none_of_its_identity_s_memory),
        cmocka_unit_test(a_child_is_found_by_its_pid_until_removed),
        cmocka_unit_test(there_is_no_more_room_than_was_reserved),
        cmocka_unit_test(a_slot_belongs_to_one_worker_at_a_time),
        cmocka_unit_test(the_one_who_had_the_slot_before_is_not_found),
        cmocka_unit_test(spares_and_workers_are_counted_apart),
        cmocka_unit_test(a_removed_spare_s_channel_is_closed),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
