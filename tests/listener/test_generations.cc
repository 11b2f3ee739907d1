// Claims about what outlives a new configuration, and about the end.
#include "cmocka_for_cxx.h"
#include "fake_master.h"

#include "os/memfd.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>

using namespace itk2;
using namespace itk2::testing;
using wire::Outcome;

namespace {

constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

Taken send_and_take(FakeClient &client, FakeWorker &worker) {
    client.send(request);
    Taken taken = worker.take();
    FakeWorker::read_request(taken);
    return taken;
}

void idle_connection_outlives_a_generation(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker former = serving_worker(master);
    FakeClient client(master.port());
    Taken taken = send_and_take(client, former);
    former.answer_and_keep(taken, "1");
    assert_text(client.read(1), "1");
    master.configure({});
    former.await_finish(wire::Finish::keep_parked);
    FakeWorker worker = serving_worker(master);
    taken = send_and_take(client, worker);
    assert_int_equal(taken.keepalives, 1);
    worker.answer_and_close(taken, "2");
    assert_text(client.read_rest(), "2");
}

void idle_connection_of_an_identity_that_lost_the_name_is_ended(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker former = serving_worker(master);
    FakeClient client(master.port());
    Taken taken = send_and_take(client, former);
    former.answer_and_keep(taken, "1");
    assert_text(client.read(1), "1");
    Configuration configuration;
    configuration.sites = {{5, "a.example"}};
    master.configure(configuration);
    FakeWorker worker = serving_worker(master, 5);
    client.send(request);
    assert_text(client.read_rest(), "");
    assert_true(worker.has_nothing());
}

void busy_worker_of_a_former_generation_finishes_after_its_report(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = serving_worker(master);
    FakeClient client(master.port());
    Taken taken = send_and_take(client, worker);
    master.configure({});
    assert_true(worker.has_nothing());
    worker.answer_and_keep(taken, "answer");
    assert_text(client.read(6), "answer");
    worker.await_finish(wire::Finish::keep_parked);
    FakeWorker next = serving_worker(master);
    send_and_take(client, next);
}

void parked_connection_stays_with_its_finishing_worker(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = serving_worker(master);
    FakeClient client(master.port());
    Taken taken = send_and_take(client, worker);
    worker.report(taken, Outcome::park);
    master.await_sign_of_life();
    master.configure({});
    worker.await_finish(wire::Finish::keep_parked);
    send_all(taken.socket.get(), "bye");
    taken.socket.reset();
    worker.report(taken, Outcome::end);
    assert_text(client.read_rest(), "bye");
}

void waiting_connection_is_routed_by_the_new_table(void **) {
    FakeMaster master;
    master.configure({});
    FakeClient client(master.port());
    client.send(request);
    master.await_want(0, 1);
    Configuration configuration;
    configuration.sites = {{7, "a.example"}};
    master.configure(configuration);
    master.await_want(7, 1);
    master.await_want(0, 0);
    FakeWorker worker = serving_worker(master, 7);
    Taken taken = worker.take();
    worker.answer_and_close(taken, "answer");
    assert_text(client.read_rest(), "answer");
}

void new_connections_come_by_the_new_generations_socket(void **) {
    FakeMaster master;
    master.configure({});
    for (int times = 0; times < 3; times++) master.configure({});
    FakeWorker worker = serving_worker(master);
    FakeClient client(master.port());
    Taken taken = send_and_take(client, worker);
    worker.answer_and_close(taken, "answer");
    assert_text(client.read_rest(), "answer");
}

os::Fd shared(std::size_t size) {
    os::Fd fd;
    assert_true(os::make_shared_memfd("counters", size, fd).ok());
    return fd;
}

void broken_table_ends_the_program(void **) {
    FakeMaster master;
    master.configure({});
    const std::array<std::uint8_t, 64> no_table{};
    master.send_table(no_table, shared(36).get());
    master.await_notice(wire::NoticeCode::ending);
    assert_int_equal(master.await_exit(), 71);
}

// For two sites, whose row of counters is 36 bytes.
Configuration of_listeners(std::uint32_t count, int counters) {
    Configuration configuration;
    configuration.settings.listener_count = count;
    configuration.counters = counters;
    return configuration;
}

void assert_ends_the_program(const Configuration &configuration) {
    FakeMaster master;
    master.configure({});
    master.send_configuration(configuration);
    assert_int_equal(master.await_exit(), 71);
}

void counters_that_do_not_fit_the_table_end_the_program(void **) {
    for (const std::size_t size : {36UL, 68UL, 76UL, 108UL, 4096UL})
        assert_ends_the_program(of_listeners(2, shared(size).get()));
    assert_ends_the_program(of_listeners(2, Configuration::none));
    assert_ends_the_program(of_listeners(1, Configuration::none));
    assert_ends_the_program(of_listeners(1, shared(72).get()));
    // The control.
    FakeMaster master;
    master.configure(of_listeners(2, shared(72).get()));
    master.configure(of_listeners(1, shared(36).get()));
}

void counters_that_are_not_sealed_as_they_should_be_end_the_program(void **) {
    const std::array<std::uint8_t, 72> zeros{};
    os::Fd unwritable;
    assert_true(os::make_sealed_memfd("counters", zeros, unwritable).ok());
    assert_ends_the_program(of_listeners(2, unwritable.get()));
    const os::Fd unsealed(memfd_create("counters", MFD_CLOEXEC));
    assert_int_equal(ftruncate(unsealed.get(), 72), 0);
    assert_ends_the_program(of_listeners(2, unsealed.get()));
}

void unknown_message_ends_the_program(void **) {
    FakeMaster master;
    master.send(wire::Hurry{});
    assert_int_equal(master.await_exit(), 71);
}

void end_of_the_channel_ends_the_program(void **) {
    FakeMaster master;
    master.configure({});
    FakeClient client(master.port());
    client.send("GET /");
    master.close_channel();
    assert_int_equal(master.await_exit(), 0);
}

void stopping_ends_idle_connections_and_serves_the_others(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = serving_worker(master);
    FakeWorker other = serving_worker(master);
    FakeClient idle(master.port());
    Taken taken = send_and_take(idle, other);
    other.answer_and_keep(taken, "1");
    assert_text(idle.read(1), "1");
    master.await_sign_of_life();
    FakeClient busy(master.port());
    taken = send_and_take(busy, other);
    FakeClient waiting(master.port());
    waiting.send(request);
    Taken of_waiting = worker.take();
    master.send(wire::Stop{});
    assert_text(idle.read_rest(), "");
    assert_false(master.has_come(wire::Type::drained));
    other.answer_and_keep(taken, "2");
    worker.answer_and_close(of_waiting, "3");
    assert_text(busy.read_rest(), "2"); // ended, although kept
    assert_text(waiting.read_rest(), "3");
    idle.socket.reset();
    busy.socket.reset();
    waiting.socket.reset();
    master.await_drained();
    other.await_finish(wire::Finish::keep_parked);
    worker.await_finish(wire::Finish::keep_parked);
}

void stopping_lets_parked_connections_end(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = serving_worker(master);
    FakeClient client(master.port());
    Taken taken = send_and_take(client, worker);
    worker.report(taken, Outcome::park);
    master.await_sign_of_life();
    master.send(wire::Stop{});
    worker.await_finish(wire::Finish::keep_parked);
    assert_false(master.has_come(wire::Type::drained));
    send_all(taken.socket.get(), "bye");
    taken.socket.reset();
    worker.report(taken, Outcome::end);
    assert_text(client.read_rest(), "bye");
    client.socket.reset();
    master.await_drained();
}

void worker_that_comes_after_the_end_finishes(void **) {
    FakeMaster master;
    master.configure({});
    master.send(wire::Stop{});
    master.await_drained();
    FakeWorker worker = serving_worker(master);
    worker.await_finish(wire::Finish::keep_parked);
}

void stopping_does_not_wait_for_silent_clients(void **) {
    FakeMaster master;
    master.configure({});
    FakeClient client(master.port());
    master.await_sign_of_life();
    master.send(wire::Stop{});
    assert_text(client.read_rest(), "");
    client.socket.reset();
    master.await_drained();
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(idle_connection_outlives_a_generation),
        cmocka_unit_test(idle_connection_of_an_identity_that_lost_the_name_is_ended),
        cmocka_unit_test(busy_worker_of_a_former_generation_finishes_after_its_report),
        cmocka_unit_test(parked_connection_stays_with_its_finishing_worker),
        cmocka_unit_test(waiting_connection_is_routed_by_the_new_table),
        cmocka_unit_test(new_connections_come_by_the_new_generations_socket),
        cmocka_unit_test(broken_table_ends_the_program),
        cmocka_unit_test(counters_that_do_not_fit_the_table_end_the_program),
        cmocka_unit_test(counters_that_are_not_sealed_as_they_should_be_end_the_program),
        cmocka_unit_test(unknown_message_ends_the_program),
        cmocka_unit_test(end_of_the_channel_ends_the_program),
        cmocka_unit_test(stopping_ends_idle_connections_and_serves_the_others),
        cmocka_unit_test(stopping_lets_parked_connections_end),
        cmocka_unit_test(worker_that_comes_after_the_end_finishes),
        cmocka_unit_test(stopping_does_not_wait_for_silent_clients),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
