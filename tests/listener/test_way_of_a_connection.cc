// Claims about the way of a connection from accept to its end, with the test as master, workers and clients.
#include "cmocka_for_cxx.h"
#include "fake_master.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

using namespace itk2;
using namespace itk2::testing;
using wire::Outcome;

namespace {

constexpr std::string_view request_a = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
constexpr std::string_view request_b = "GET / HTTP/1.1\r\nHost: b.example\r\n\r\n";

void request_goes_to_the_worker_of_its_host(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker a = master.add_worker(0);
    FakeWorker b = master.add_worker(1);
    a.serving();
    b.serving();
    FakeClient client(master.port());
    client.send(request_b);
    Taken taken = b.take();
    assert_text(FakeWorker::read_request(taken), request_b);
    b.answer_and_close(taken, "bye");
    assert_text(client.read_rest(), "bye");
    assert_true(a.has_nothing());
}

void nothing_is_read_before_the_worker(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = master.add_worker(0);
    worker.serving();
    FakeClient client(master.port());
    const std::string pipelined = std::string(request_a) + std::string(request_a) + "POST / HTTP/1.1\r\n";
    client.send(pipelined);
    const Taken taken = worker.take();
    assert_int_equal(unread(taken.socket.get()), pipelined.size());
    assert_text(read_exactly(taken.socket.get(), pipelined.size()), pipelined);
}

// A worker that knows it leaves what follows to the next look.
void worker_is_told_where_the_head_ends(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = master.add_worker(0);
    worker.serving();
    FakeClient client(master.port());
    client.send(std::string(request_a) + std::string(request_a));
    Taken taken = worker.take();
    for (int times = 0; times < 2; times++) {
        assert_int_equal(taken.head_length, request_a.size());
        assert_text(read_exactly(taken.socket.get(), taken.head_length), request_a);
        worker.answer_and_keep(taken, "x");
        if (times == 0) taken = worker.take();
    }
    client.send(request_a.substr(0, 20));
    client.shut_down();
    assert_int_equal(worker.take().head_length, 0);
}

void first_worker_is_wanted_when_a_request_comes(void **) {
    FakeMaster master;
    master.configure({});
    FakeClient client(master.port());
    client.send(request_b);
    master.await_want(1, 1);
    FakeWorker worker = master.add_worker(1);
    Taken taken = worker.take(); // sent before it said that it serves
    worker.serving();
    worker.answer_and_close(taken, "x");
    assert_text(client.read_rest(), "x");
}

void want_is_withdrawn_when_the_queue_empties(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = master.add_worker(0);
    worker.serving();
    FakeClient first(master.port());
    first.send(request_a);
    Taken taken = worker.take();
    FakeClient second(master.port());
    second.send(request_a);
    master.await_want(0, 2);
    worker.answer_and_close(taken, "1");
    taken = worker.take();
    master.await_want(0, 1);
    worker.answer_and_close(taken, "2");
    assert_text(second.read_rest(), "2");
}

void kept_connection_comes_back_with_its_next_request(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = master.add_worker(0);
    worker.serving();
    FakeClient client(master.port());
    ConnectionId id;
    for (std::uint32_t times = 0; times < 5; times++) {
        client.send(request_a);
        Taken taken = worker.take();
        assert_int_equal(taken.keepalives, times);
        if (times == 0) id = taken.id;
        assert_true(taken.id == id);
        FakeWorker::read_request(taken);
        worker.answer_and_keep(taken, "answer", times + 1);
        assert_text(client.read(6), "answer");
    }
}

void kept_connection_is_never_given_to_another_identity(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker a = master.add_worker(0);
    FakeWorker b = master.add_worker(1);
    a.serving();
    b.serving();
    FakeClient client(master.port());
    client.send(request_a);
    Taken taken = a.take();
    FakeWorker::read_request(taken);
    a.answer_and_keep(taken, "answer");
    assert_text(client.read(6), "answer");
    client.send(request_b);
    assert_text(client.read_rest(), ""); // an orderly end, without a byte
    assert_true(b.has_nothing());
}

void head_in_single_bytes_arrives_whole(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = master.add_worker(1);
    worker.serving();
    FakeClient client(master.port());
    const int on = 1;
    setsockopt(client.socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::string head = "GET / HTTP/1.1\r\nX: " + std::string(100, 'x') + "\r\nHost: b.example\r\n\r\n";
    for (const char byte : head) client.send({&byte, 1});
    const Taken taken = worker.take();
    assert_text(FakeWorker::read_request(taken), head);
}

void half_closed_client_is_served(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = master.add_worker(0);
    worker.serving();
    FakeClient client(master.port());
    client.send(request_a);
    client.shut_down();
    Taken taken = worker.take();
    FakeWorker::read_request(taken);
    worker.answer_and_close(taken, "answer");
    assert_text(client.read_rest(), "answer");
}

void unfinished_head_of_a_half_closed_client_is_for_httpd(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = master.add_worker(0);
    worker.serving();
    FakeClient client(master.port());
    client.send("GET / HTTP/1.1\r\nHos");
    client.shut_down();
    const Taken taken = worker.take();
    assert_text(read_exactly(taken.socket.get(), 19), "GET / HTTP/1.1\r\nHos");
}

void endless_head_is_for_httpd(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = master.add_worker(0);
    worker.serving();
    FakeClient client(master.port());
    std::string head = "GET / HTTP/1.1\r\n";
    while (head.size() < 80'000) head += "X-Field: " + std::string(1000, 'x') + "\r\n";
    client.send(head);
    const Taken taken = worker.take();
    assert_text(read_exactly(taken.socket.get(), 16), "GET / HTTP/1.1\r\n");
}

void server_that_speaks_first_gets_the_connection_at_once(void **) {
    FakeMaster master;
    Configuration configuration;
    configuration.server_speaks_first = true;
    master.configure(configuration);
    FakeWorker worker = master.add_worker(0);
    worker.serving();
    FakeClient client(master.port());
    Taken taken = worker.take();
    worker.answer_and_close(taken, "220 ready");
    assert_text(client.read_rest(), "220 ready");
}

void proxy_header_is_given_again_after_the_first_answer(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = master.add_worker(1);
    worker.serving();
    FakeClient client(master.port());
    const std::string header = "PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n";
    client.send(header + std::string(request_b));
    Taken taken = worker.take();
    assert_text(taken.replay, "");
    assert_text(FakeWorker::read_request(taken).substr(0, header.size()), header);
    for (int times = 0; times < 2; times++) {
        worker.answer_and_keep(taken, "x");
        client.send(request_b);
        taken = worker.take();
        assert_text(taken.replay, header);
        assert_text(FakeWorker::read_request(taken), request_b);
    }
}

void long_proxy_header_makes_a_connection_not_returnable(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = master.add_worker(0);
    worker.serving();
    FakeClient client(master.port());
    std::string header = "\r\n\r\n";
    header += std::string("\0\r\nQUIT\n\x21\x11\x02\x58", 12);
    header += std::string(600, '\x01');
    client.send(header + std::string(request_a));
    const Taken taken = worker.take();
    assert_int_equal(taken.flags & wire::Connection::not_returnable, wire::Connection::not_returnable);
}

void what_a_closing_client_still_sends_is_drained(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = master.add_worker(0);
    worker.serving();
    FakeClient client(master.port());
    client.send(std::string(request_a) + std::string(20'000, 'x'));
    Taken taken = worker.take();
    worker.answer_and_close(taken, "answer"); // having read nothing
    for (int times = 0; times < 20; times++) client.send(std::string(1000, 'y'));
    assert_text(client.read_rest(), "answer");
}

void kept_connection_ends_at_its_deadline(void **) {
    FakeMaster master;
    Configuration configuration;
    configuration.sites = {{0, "a.example", 0, 1}};
    master.configure(configuration);
    FakeWorker worker = master.add_worker(0);
    worker.serving();
    FakeClient client(master.port());
    client.send(request_a);
    Taken taken = worker.take();
    FakeWorker::read_request(taken);
    worker.answer_and_keep(taken, "answer");
    assert_text(client.read_rest(), "answer");
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(request_goes_to_the_worker_of_its_host),
        cmocka_unit_test(nothing_is_read_before_the_worker),
        cmocka_unit_test(worker_is_told_where_the_head_ends),
        cmocka_unit_test(first_worker_is_wanted_when_a_request_comes),
        cmocka_unit_test(want_is_withdrawn_when_the_queue_empties),
        cmocka_unit_test(kept_connection_comes_back_with_its_next_request),
        cmocka_unit_test(kept_connection_is_never_given_to_another_identity),
        cmocka_unit_test(head_in_single_bytes_arrives_whole),
        cmocka_unit_test(half_closed_client_is_served),
        cmocka_unit_test(unfinished_head_of_a_half_closed_client_is_for_httpd),
        cmocka_unit_test(endless_head_is_for_httpd),
        cmocka_unit_test(server_that_speaks_first_gets_the_connection_at_once),
        cmocka_unit_test(proxy_header_is_given_again_after_the_first_answer),
        cmocka_unit_test(long_proxy_header_makes_a_connection_not_returnable),
        cmocka_unit_test(what_a_closing_client_still_sends_is_drained),
        cmocka_unit_test(kept_connection_ends_at_its_deadline),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
