// Claims about connections that may move: those of named peers, in plain HTTP, between two requests.
#include "client_hello_bytes.h"
#include "cmocka_for_cxx.h"
#include "fake_master.h"

using namespace itk2;
using namespace itk2::testing;
using wire::Outcome;

namespace {

constexpr std::string_view request_a = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
constexpr std::string_view request_b = "GET / HTTP/1.1\r\nHost: b.example\r\n\r\n";
constexpr std::string_view request_u = "GET / HTTP/1.1\r\nHost: u.example\r\n\r\n";
constexpr plan::Network loopback{{127}, 4, 8};
constexpr plan::Network the_second{{127, 0, 0, 2}, 4, 32};

Configuration moving_from(std::vector<plan::Network> networks) {
    Configuration configuration;
    configuration.sites = {{0, "a.example"}, {1, "b.example"}, undecided_site("u.example", plan::HintScope::host)};
    configuration.networks = std::move(networks);
    return configuration;
}

void answer_and_keep(FakeClient &client, FakeWorker &worker, std::uint16_t expected_flags) {
    Taken taken = worker.take();
    assert_int_equal(taken.flags, expected_flags);
    FakeWorker::read_request(taken);
    worker.answer_and_keep(taken, "x", taken.keepalives + 1);
    assert_text(client.read(1), "x");
}

void connection_of_a_named_peer_moves(void **) {
    FakeMaster master;
    master.configure(moving_from({{{10}, 4, 8}, the_second}));
    FakeWorker a = serving_worker(master, 0);
    FakeWorker b = serving_worker(master, 1);
    FakeClient client(master.port(), 1, 2);
    for (int times = 0; times < 3; times++) {
        client.send(request_a);
        answer_and_keep(client, a, wire::Connection::may_move);
        client.send(request_b);
        answer_and_keep(client, b, wire::Connection::may_move);
    }
    client.send(request_a);
    assert_int_equal(a.take().keepalives, 6);
}

void connection_of_another_peer_does_not(void **) {
    FakeMaster master;
    const std::uint16_t port = master.add_socket(Bound::to_any);
    master.configure(moving_from({the_second}));
    FakeWorker a = serving_worker(master, 0);
    FakeWorker b = serving_worker(master, 1);
    FakeClient client(port, 2, 1); // to the named address, not from it
    client.send(request_a);
    answer_and_keep(client, a, 0);
    client.send(request_b);
    assert_text(client.read_rest(), "");
    assert_true(b.has_nothing());
}

void v4_peer_of_a_v6_socket_is_named_by_its_v4_address(void **) {
    FakeMaster master;
    const std::uint16_t port = master.add_socket(Bound::to_any_v6);
    master.configure(moving_from({loopback}));
    FakeWorker a = serving_worker(master, 0);
    FakeWorker b = serving_worker(master, 1);
    FakeClient client(port);
    client.send(request_a);
    answer_and_keep(client, a, wire::Connection::may_move);
    client.send(request_b);
    answer_and_keep(client, b, wire::Connection::may_move);
}

void moving_connection_goes_to_a_parser_where_only_httpd_can_tell(void **) {
    FakeMaster master;
    master.configure(moving_from({loopback}));
    FakeWorker a = serving_worker(master, 0);
    FakeClient client(master.port());
    client.send(request_a);
    answer_and_keep(client, a, wire::Connection::may_move);
    client.send(request_u);
    master.await_want(undecided, 1);
    FakeWorker parser = serving_worker(master, undecided);
    Taken taken = parser.take();
    FakeWorker::read_request(taken);
    master.identify(parser, 1);
    parser.answer_and_keep(taken, "u", 2);
    assert_text(client.read(1), "u");
    client.send(request_a);
    answer_and_keep(client, a, wire::Connection::may_move);
    client.send(request_u); // a known place by now
    master.await_want(1, 1);
    FakeWorker b = serving_worker(master, 1);
    answer_and_keep(client, b, wire::Connection::may_move);
}

void connection_that_may_not_move_stays_where_only_httpd_can_tell(void **) {
    FakeMaster master;
    master.configure(moving_from({}));
    FakeWorker a = serving_worker(master, 0);
    FakeWorker parser = serving_worker(master, undecided);
    FakeClient client(master.port());
    client.send(request_a);
    answer_and_keep(client, a, 0);
    client.send(request_u);
    Taken taken = a.take();
    taken.socket.reset();
    a.report(taken, Outcome::close, wire::Report::misdirected);
    assert_true(parser.has_nothing());
}

void tls_connection_does_not_move(void **) {
    FakeMaster master;
    master.configure(moving_from({loopback}));
    FakeWorker a = serving_worker(master, 0);
    FakeClient client(master.port());
    client.send(client_hello("a.example"));
    assert_int_equal(a.take().flags, 0);
}

void connection_with_a_long_proxy_header_does_not_move(void **) {
    FakeMaster master;
    master.configure(moving_from({loopback}));
    FakeWorker a = serving_worker(master, 0);
    FakeClient client(master.port());
    std::string header = "\r\n\r\n";
    header += std::string("\0\r\nQUIT\n\x21\x11\x02\x58", 12);
    header += std::string(600, '\x01');
    client.send(header + std::string(request_a));
    assert_int_equal(a.take().flags, wire::Connection::not_returnable);
}

void proxy_header_moves_with_its_connection(void **) {
    FakeMaster master;
    master.configure(moving_from({loopback}));
    FakeWorker a = serving_worker(master, 0);
    FakeWorker b = serving_worker(master, 1);
    FakeClient client(master.port());
    const std::string header = "PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n";
    client.send(header + std::string(request_a));
    answer_and_keep(client, a, wire::Connection::may_move);
    client.send(request_b);
    const Taken taken = b.take();
    assert_text(taken.replay, header);
}

void new_configuration_decides_anew_who_may_move(void **) {
    FakeMaster master;
    master.configure(moving_from({loopback}));
    FakeWorker a = serving_worker(master, 0);
    FakeClient named(master.port());
    named.send(request_a);
    answer_and_keep(named, a, wire::Connection::may_move);
    FakeClient unnamed(master.port());
    unnamed.send(request_a);
    answer_and_keep(unnamed, a, wire::Connection::may_move);
    master.configure(moving_from({}));
    FakeWorker b = serving_worker(master, 1);
    named.send(request_b);
    assert_text(named.read_rest(), "");
    master.configure(moving_from({loopback}));
    b = serving_worker(master, 1);
    unnamed.send(request_b);
    answer_and_keep(unnamed, b, wire::Connection::may_move);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(connection_of_a_named_peer_moves),
        cmocka_unit_test(connection_of_another_peer_does_not),
        cmocka_unit_test(v4_peer_of_a_v6_socket_is_named_by_its_v4_address),
        cmocka_unit_test(moving_connection_goes_to_a_parser_where_only_httpd_can_tell),
        cmocka_unit_test(connection_that_may_not_move_stays_where_only_httpd_can_tell),
        cmocka_unit_test(tls_connection_does_not_move),
        cmocka_unit_test(connection_with_a_long_proxy_header_does_not_move),
        cmocka_unit_test(proxy_header_moves_with_its_connection),
        cmocka_unit_test(new_configuration_decides_anew_who_may_move),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
