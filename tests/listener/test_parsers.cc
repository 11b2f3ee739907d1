// Claims about parsers: each takes one connection, and may become somebody's worker for it.
#include "cmocka_for_cxx.h"
#include "fake_master.h"

#include "base/exit_code.h"

#include <csignal>
#include <vector>

using namespace itk2;
using namespace itk2::testing;
using wire::Outcome;

namespace {

constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: u.example\r\n\r\n";
constexpr std::string_view request_a = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
constexpr std::uint32_t a = 5;

// u.example's identities are known to httpd only; nothing is learnt about them.
Configuration undecided_one() {
    Configuration configuration;
    configuration.sites = {undecided_site("u.example", plan::HintScope::none), {a, "a.example"}};
    return configuration;
}

Taken send_and_take(FakeClient &client, FakeWorker &worker, std::string_view asked = request) {
    client.send(asked);
    Taken taken = worker.take();
    FakeWorker::read_request(taken);
    return taken;
}

void parser_takes_one_connection_only(void **) {
    FakeMaster master;
    master.configure(undecided_one());
    FakeWorker parser = serving_worker(master, undecided);
    FakeClient first(master.port());
    Taken taken = send_and_take(first, parser);
    FakeClient second(master.port());
    second.send(request);
    master.await_want(undecided, 2);
    parser.answer_and_close(taken, "redirect");
    assert_text(first.read_rest(), "redirect");
    parser.await_finish(wire::Finish::keep_parked);
    FakeWorker next = serving_worker(master, undecided);
    taken = next.take();
    next.answer_and_close(taken, "answer");
    assert_text(second.read_rest(), "answer");
}

void parser_is_not_told_of_those_that_wait(void **) {
    FakeMaster master;
    master.configure(undecided_one());
    FakeWorker parser = serving_worker(master, undecided);
    FakeClient first(master.port());
    const Taken taken = send_and_take(first, parser);
    assert_int_equal(taken.flags, 0);
    FakeClient second(master.port());
    second.send(request);
    master.await_want(undecided, 2);
    assert_true(parser.has_nothing());
}

void as_many_parsers_are_wanted_as_connections_wait(void **) {
    FakeMaster master;
    master.configure(undecided_one());
    std::vector<FakeClient> clients;
    for (int i = 0; i < 12; i++) clients.emplace_back(master.port()).send(request);
    master.await_want(undecided, 12);
    std::vector<FakeWorker> parsers;
    for (int i = 0; i < 12; i++) parsers.push_back(serving_worker(master, undecided));
    for (FakeWorker &parser : parsers) assert_int_equal(parser.take().flags, 0);
    assert_false(master.has_come(wire::Type::broken));
}

void want_for_parsers_is_withdrawn_when_nobody_waits(void **) {
    FakeMaster master;
    Configuration configuration = undecided_one();
    configuration.settings.queue_timeout_ms = 50;
    master.configure(configuration);
    FakeClient client(master.port());
    client.send(request);
    master.await_want(undecided, 1);
    assert_text(client.read_rest().substr(0, 13), "HTTP/1.1 503 ");
    master.await_want(undecided, 0);
}

void parsers_queue_has_the_limit_of_all_queues(void **) {
    FakeMaster master;
    Configuration configuration = undecided_one();
    configuration.settings.queue_limit = 1;
    master.configure(configuration);
    FakeClient first(master.port());
    first.send(request);
    master.await_want(undecided, 1);
    FakeClient second(master.port());
    second.send(request);
    assert_text(second.read_rest().substr(0, 13), "HTTP/1.1 503 ");
    master.await_notice(wire::NoticeCode::queue_full);
}

// The listener sleeps meanwhile, and finds both at once; the parser's channel was the first to have something.
void report_that_comes_with_the_parsers_identity_is_a_workers(void **) {
    FakeMaster master;
    master.configure(undecided_one());
    FakeWorker parser = master.add_worker(undecided);
    FakeClient client(master.port());
    Taken taken = send_and_take(client, parser);
    assert_int_equal(kill(master.pid(), SIGSTOP), 0);
    parser.serving();
    // As many other orders as a turn takes at most.
    for (int i = 0; i < 100; i++) master.send(wire::Gone{{wire::Type::gone}, Slot{900}, WorkerId{900}});
    master.identify(parser, a);
    parser.answer_and_keep(taken, "answer");
    assert_int_equal(kill(master.pid(), SIGCONT), 0);
    assert_text(client.read(6), "answer");
    parser.await_finish(wire::Finish::keep_parked);
    FakeWorker worker = serving_worker(master, a);
    taken = send_and_take(client, worker);
    assert_int_equal(taken.keepalives, 1);
}

void last_words_of_a_parser_are_heard_with_its_identity(void **) {
    FakeMaster master;
    master.configure(undecided_one());
    FakeWorker parser = master.add_worker(undecided);
    FakeClient client(master.port());
    Taken taken = send_and_take(client, parser);
    assert_int_equal(kill(master.pid(), SIGSTOP), 0);
    parser.serving();
    master.identify(parser, a);
    parser.answer_and_keep(taken, "answer");
    master.gone(parser);
    assert_int_equal(kill(master.pid(), SIGCONT), 0);
    assert_text(client.read(6), "answer");
    FakeWorker worker = serving_worker(master, a);
    taken = send_and_take(client, worker);
    assert_int_equal(taken.keepalives, 1);
}

void kept_connection_of_a_parser_that_became_nothing_is_ended(void **) {
    FakeMaster master;
    master.configure(undecided_one());
    FakeWorker parser = serving_worker(master, undecided);
    FakeClient client(master.port());
    Taken taken = send_and_take(client, parser);
    parser.answer_and_keep(taken, "answer");
    assert_text(client.read_rest(), "answer");
    parser.await_finish(wire::Finish::keep_parked);
}

void connection_outlives_a_parser_that_never_served(void **) {
    FakeMaster master;
    master.configure(undecided_one());
    FakeWorker stillborn = master.add_worker(undecided);
    FakeClient client(master.port());
    client.send(request);
    stillborn.take();
    stillborn.die();
    master.await_want(undecided, 2);
    FakeWorker parser = serving_worker(master, undecided);
    Taken taken = parser.take();
    parser.answer_and_close(taken, "answer");
    assert_text(client.read_rest(), "answer");
}

void connection_ends_with_the_parser_that_read_it(void **) {
    FakeMaster master;
    master.configure(undecided_one());
    FakeWorker parser = serving_worker(master, undecided);
    FakeClient client(master.port());
    Taken taken = send_and_take(client, parser);
    taken.socket.reset();
    parser.die();
    assert_text(client.read_rest(), "");
    assert_false(master.has_come(wire::Type::want));
}

void identity_of_nobody_that_is_there_is_ignored(void **) {
    FakeMaster master;
    master.configure(undecided_one());
    FakeWorker dead = serving_worker(master, undecided);
    FakeWorker living = serving_worker(master, undecided);
    dead.die();
    FakeWorker nobody;
    nobody.slot = Slot{999};
    FakeWorker former;
    former.slot = living.slot;
    former.id = WorkerId{number(living.id) + 1000};
    for (const FakeWorker *named : {&dead, &nobody, &former}) master.identify(*named, a);
    master.await_sign_of_life();
    FakeClient client(master.port());
    Taken taken = send_and_take(client, living); // a parser still
    living.answer_and_keep(taken, "answer");
    assert_text(client.read_rest(), "answer");
}

void identity_that_none_can_be_ends_the_listener(void **) {
    FakeMaster master;
    master.configure(undecided_one());
    const FakeWorker parser = serving_worker(master, undecided);
    master.identify(parser, undecided);
    assert_int_equal(master.await_exit(), status(ExitCode::broken_peer));
}

void worker_is_identified_once_only(void **) {
    FakeMaster master;
    master.configure(undecided_one());
    FakeWorker worker = serving_worker(master, a);
    master.identify(worker, a + 1);
    FakeClient client(master.port());
    Taken taken = send_and_take(client, worker, request_a);
    worker.answer_and_close(taken, "a");
    assert_text(client.read_rest(), "a");
}

void idle_parser_does_not_expire(void **) {
    FakeMaster master;
    Configuration configuration = undecided_one();
    configuration.settings.worker_idle_ms = 30;
    master.configure(configuration);
    FakeWorker parser = serving_worker(master, undecided);
    FakeWorker worker = serving_worker(master, a);
    worker.await_finish(wire::Finish::keep_parked);
    master.await_sign_of_life();
    assert_true(parser.has_nothing());
}

void idle_parser_is_not_evicted(void **) {
    FakeMaster master;
    master.configure(undecided_one());
    FakeWorker parser = serving_worker(master, undecided);
    FakeWorker worker = serving_worker(master, a);
    wire::Evict evict;
    evict.for_identity = IdentityKey{a + 1};
    master.send(evict);
    worker.await_finish(wire::Finish::close_parked);
    master.send(evict); // nobody is idle but parsers
    FakeWorker late = serving_worker(master, undecided);
    master.await_sign_of_life();
    assert_true(parser.has_nothing());
    assert_true(late.has_nothing());
}

void idle_parser_retires_with_its_generation(void **) {
    FakeMaster master;
    master.configure(undecided_one());
    FakeWorker parser = serving_worker(master, undecided);
    FakeWorker busy = serving_worker(master, undecided);
    FakeClient client(master.port());
    Taken taken = send_and_take(client, busy); // the one that came last
    master.configure(undecided_one());
    parser.await_finish(wire::Finish::keep_parked);
    master.identify(busy, a);
    busy.answer_and_keep(taken, "answer");
    assert_text(client.read(6), "answer");
    busy.await_finish(wire::Finish::keep_parked);
}

void stopping_listener_lets_idle_parsers_go(void **) {
    FakeMaster master;
    master.configure(undecided_one());
    FakeWorker parser = serving_worker(master, undecided);
    master.send(wire::Stop{});
    parser.await_finish(wire::Finish::keep_parked);
    parser.die();
    master.await_drained();
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(parser_takes_one_connection_only),
        cmocka_unit_test(parser_is_not_told_of_those_that_wait),
        cmocka_unit_test(as_many_parsers_are_wanted_as_connections_wait),
        cmocka_unit_test(want_for_parsers_is_withdrawn_when_nobody_waits),
        cmocka_unit_test(parsers_queue_has_the_limit_of_all_queues),
        cmocka_unit_test(report_that_comes_with_the_parsers_identity_is_a_workers),
        cmocka_unit_test(last_words_of_a_parser_are_heard_with_its_identity),
        cmocka_unit_test(kept_connection_of_a_parser_that_became_nothing_is_ended),
        cmocka_unit_test(connection_outlives_a_parser_that_never_served),
        cmocka_unit_test(connection_ends_with_the_parser_that_read_it),
        cmocka_unit_test(identity_of_nobody_that_is_there_is_ignored),
        cmocka_unit_test(identity_that_none_can_be_ends_the_listener),
        cmocka_unit_test(worker_is_identified_once_only),
        cmocka_unit_test(idle_parser_does_not_expire),
        cmocka_unit_test(idle_parser_is_not_evicted),
        cmocka_unit_test(idle_parser_retires_with_its_generation),
        cmocka_unit_test(stopping_listener_lets_idle_parsers_go),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
