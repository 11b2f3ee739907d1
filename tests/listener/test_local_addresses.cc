// Claims about the address of ours that a client has connected to.
#include "cmocka_for_cxx.h"
#include "fake_master.h"

using namespace itk2;
using namespace itk2::testing;

namespace {

constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

// 127.0.0.2 is b's alone; every other address goes by name.
Configuration by_address() {
    Configuration configuration;
    configuration.addresses = {{2, 1}};
    return configuration;
}

void assert_served_by(FakeWorker &worker, std::uint16_t port, std::uint8_t last) {
    FakeClient client(port, last);
    client.send(request);
    Taken taken = worker.take();
    worker.answer_and_close(taken, "answer");
    assert_text(client.read_rest(), "answer");
}

void assert_address_decides(Bound bound) {
    FakeMaster master;
    const std::uint16_t port = master.add_socket(bound);
    master.configure(by_address());
    FakeWorker a = master.add_worker(0);
    FakeWorker b = master.add_worker(1);
    a.serving();
    b.serving();
    assert_served_by(a, port, 1);
    assert_served_by(b, port, 2);
    assert_served_by(a, port, 3);
}

void address_decides_at_a_socket_bound_to_any(void **) { assert_address_decides(Bound::to_any); }

void address_decides_at_a_socket_of_both_families(void **) { assert_address_decides(Bound::to_any_v6); }

void each_socket_has_its_own_port(void **) {
    FakeMaster master;
    const std::uint16_t second = master.add_socket(Bound::to_loopback);
    const std::uint16_t third = master.add_socket(Bound::to_any);
    master.configure({});
    FakeWorker worker = master.add_worker(0);
    worker.serving();
    for (const std::uint16_t port : {master.port(), second, third}) assert_served_by(worker, port, 1);
}

void address_is_learnt_when_a_new_table_asks_for_it(void **) {
    FakeMaster master;
    const std::uint16_t port = master.add_socket(Bound::to_any);
    master.configure({});
    FakeWorker former = master.add_worker(0);
    former.serving();
    FakeClient kept(port, 2);
    kept.send(request);
    Taken taken = former.take();
    FakeWorker::read_request(taken);
    former.answer_and_keep(taken, "x");
    assert_text(kept.read(1), "x");
    FakeClient waiting(port, 2);
    waiting.send("GET / HT");
    master.await_sign_of_life();
    master.configure(by_address());
    FakeWorker b = master.add_worker(1);
    b.serving();
    waiting.send("TP/1.1\r\nHost: a.example\r\n\r\n");
    taken = b.take();
    b.answer_and_close(taken, "answer");
    assert_text(waiting.read_rest(), "answer");
    kept.send(request); // is b's now, but was a's
    assert_text(kept.read_rest(), "");
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(address_decides_at_a_socket_bound_to_any),
        cmocka_unit_test(address_decides_at_a_socket_of_both_families),
        cmocka_unit_test(each_socket_has_its_own_port),
        cmocka_unit_test(address_is_learnt_when_a_new_table_asks_for_it),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
