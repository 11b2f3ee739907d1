// Claims about what the listener answers by itself: late heads, full queues, full virtual hosts.
#include "../unit/client_hello_bytes.h"
#include "cmocka_for_cxx.h"
#include "fake_master.h"

#include "os/memfd.h"

#include <atomic>

using namespace itk2;
using namespace itk2::testing;
using wire::Outcome;

namespace {

constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

bool starts_with(const std::string &text, std::string_view beginning) {
    return std::string_view(text).substr(0, beginning.size()) == beginning;
}

void assert_unavailable(FakeClient &client) {
    const std::string answer = client.read_rest();
    assert_true(starts_with(answer, "HTTP/1.1 503 "));
    assert_true(answer.find("\r\nRetry-After: ") != std::string::npos);
    assert_true(answer.find("\r\nConnection: close\r\n") != std::string::npos);
}

Configuration with_head_timeout() {
    Configuration configuration;
    configuration.settings.head_timeout_ms = 300; // time for the client to send what it sends at once
    return configuration;
}

void late_head_is_answered_with_408(void **) {
    FakeMaster master;
    master.configure(with_head_timeout());
    FakeClient client(master.port());
    client.send("GET / HTTP/1.1\r\n");
    assert_true(starts_with(client.read_rest(), "HTTP/1.1 408 "));
}

void late_second_head_is_answered_with_408(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = master.add_worker(0);
    worker.serving();
    FakeClient client(master.port());
    client.send(request);
    Taken taken = worker.take();
    FakeWorker::read_request(taken);
    worker.answer_and_keep(taken, "answer");
    assert_text(client.read(6), "answer");
    master.configure(with_head_timeout());
    client.send("GET / HTTP");
    assert_true(starts_with(client.read_rest(), "HTTP/1.1 408 "));
}

void silent_client_is_closed_without_a_byte(void **) {
    FakeMaster master;
    master.configure(with_head_timeout());
    FakeClient client(master.port());
    assert_text(client.read_rest(), "");
}

void late_client_hello_is_closed_without_a_byte(void **) {
    FakeMaster master;
    master.configure(with_head_timeout());
    FakeClient client(master.port());
    client.send(client_hello("a.example").substr(0, 30));
    assert_text(client.read_rest(), "");
}

void waiting_too_long_is_answered_with_503(void **) {
    FakeMaster master;
    Configuration configuration;
    configuration.settings.queue_timeout_ms = 20;
    master.configure(configuration);
    FakeClient client(master.port());
    client.send(request);
    assert_unavailable(client);
    master.await_notice(wire::NoticeCode::queue_deadline);
}

void waiting_too_long_over_tls_is_closed_without_a_byte(void **) {
    FakeMaster master;
    Configuration configuration;
    configuration.settings.queue_timeout_ms = 20;
    master.configure(configuration);
    FakeClient client(master.port());
    client.send(client_hello("a.example"));
    assert_text(client.read_rest(), "");
}

void full_queue_is_answered_with_503(void **) {
    FakeMaster master;
    Configuration configuration;
    configuration.settings.queue_limit = 1;
    master.configure(configuration);
    FakeClient first(master.port());
    first.send(request);
    master.await_want(0, 1);
    FakeClient second(master.port());
    second.send(request);
    assert_unavailable(second);
    master.await_notice(wire::NoticeCode::queue_full);
    FakeWorker worker = master.add_worker(0);
    worker.serving();
    Taken taken = worker.take();
    worker.answer_and_close(taken, "answer");
    assert_text(first.read_rest(), "answer");
}

void full_queue_of_one_identity_is_not_another_ones(void **) {
    FakeMaster master;
    Configuration configuration;
    configuration.settings.queue_limit = 1;
    master.configure(configuration);
    FakeWorker worker = master.add_worker(1);
    worker.serving();
    FakeClient first(master.port());
    first.send(request);
    master.await_want(0, 1);
    FakeClient second(master.port());
    second.send(request);
    assert_unavailable(second);
    FakeClient other(master.port());
    other.send("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n");
    Taken taken = worker.take();
    worker.answer_and_close(taken, "answer");
    assert_text(other.read_rest(), "answer");
}

Configuration with_one_client() {
    Configuration configuration;
    configuration.sites = {{0, "a.example", 1}, {0, "b.example"}};
    return configuration;
}

void max_clients_of_a_vhost_are_busy_ones(void **) {
    FakeMaster master;
    master.configure(with_one_client());
    FakeWorker one = master.add_worker(0);
    FakeWorker two = master.add_worker(0);
    one.serving();
    two.serving();
    FakeClient first(master.port());
    first.send(request);
    Taken taken = two.take(); // the most recently used one
    FakeClient second(master.port());
    second.send(request);
    assert_unavailable(second);
    master.await_notice(wire::NoticeCode::max_clients_vhost);
    FakeClient other(master.port());
    other.send("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n");
    Taken of_other = one.take(); // another vhost of the same identity has room
    // A kept connection is not busy.
    FakeWorker::read_request(taken);
    two.answer_and_keep(taken, "x");
    assert_text(first.read(1), "x");
    master.await_sign_of_life();
    FakeClient third(master.port());
    third.send(request);
    taken = two.take();
    // Nor is a parked one.
    two.report(taken, Outcome::park);
    master.await_sign_of_life();
    FakeClient fourth(master.port());
    fourth.send(request);
    FakeWorker three = master.add_worker(0);
    three.serving();
    Taken last = three.take();
    three.answer_and_close(last, "answer");
    assert_text(fourth.read_rest(), "answer");
}

void max_clients_of_a_vhost_are_those_of_all_listeners(void **) {
    os::Fd memory;
    os::SharedMapping counters;
    constexpr std::size_t vhosts = 2, size = plan::counting_size(2, vhosts);
    assert_true(os::make_shared_memfd("counters", size, memory).ok());
    assert_true(os::map_shared(memory.get(), size, counters).ok());
    const auto busy = [&counters](std::size_t listener, std::size_t vhost) {
        return std::atomic_ref(counters.numbers()[listener * plan::row_length(vhosts) + plan::place_of_busy(vhost)]);
    };
    busy(0, 0) = 5; // of a listener that was this one and has died
    busy(1, 0) = 1;
    Configuration configuration = with_one_client();
    configuration.settings.listener_count = 2;
    configuration.counters = memory.get();
    FakeMaster master;
    master.configure(configuration);
    assert_int_equal(busy(0, 0).load(), 0);
    FakeWorker worker = master.add_worker(0);
    worker.serving();
    FakeClient refused(master.port());
    refused.send(request);
    assert_unavailable(refused);
    master.await_notice(wire::NoticeCode::max_clients_vhost);
    busy(1, 0) = 0;
    FakeClient client(master.port());
    client.send(request);
    Taken taken = worker.take();
    assert_int_equal(busy(0, 0).load(), 1);
    worker.answer_and_close(taken, "answer");
    assert_text(client.read_rest(), "answer");
    master.await_sign_of_life();
    for (const std::size_t listener : {0, 1})
        for (const std::size_t vhost : {0, 1}) assert_int_equal(busy(listener, vhost).load(), 0);
}

void every_refused_client_of_a_vhost_is_noticed(void **) {
    FakeMaster master;
    master.configure(with_one_client());
    FakeClient first(master.port());
    first.send(request); // waits in the queue
    master.await_want(0, 1);
    for (int times = 0; times < 5; times++) {
        FakeClient client(master.port());
        client.send(request);
        assert_unavailable(client);
        master.await_notice(wire::NoticeCode::max_clients_vhost);
    }
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(late_head_is_answered_with_408),
        cmocka_unit_test(late_second_head_is_answered_with_408),
        cmocka_unit_test(silent_client_is_closed_without_a_byte),
        cmocka_unit_test(late_client_hello_is_closed_without_a_byte),
        cmocka_unit_test(waiting_too_long_is_answered_with_503),
        cmocka_unit_test(waiting_too_long_over_tls_is_closed_without_a_byte),
        cmocka_unit_test(full_queue_is_answered_with_503),
        cmocka_unit_test(full_queue_of_one_identity_is_not_another_ones),
        cmocka_unit_test(max_clients_of_a_vhost_are_busy_ones),
        cmocka_unit_test(max_clients_of_a_vhost_are_those_of_all_listeners),
        cmocka_unit_test(every_refused_client_of_a_vhost_is_noticed),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
