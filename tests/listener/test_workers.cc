// Claims about workers: who is chosen, what they may report, how they end.
#include "cmocka_for_cxx.h"
#include "fake_master.h"

using namespace itk2;
using namespace itk2::testing;
using wire::Outcome;

namespace {

constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
constexpr std::string_view request_b = "GET / HTTP/1.1\r\nHost: b.example\r\n\r\n";

void serve_one(FakeMaster &master, FakeWorker &worker, std::string_view asked = request) {
    FakeClient client(master.port());
    client.send(asked);
    Taken taken = worker.take();
    worker.answer_and_close(taken, "answer");
    assert_text(client.read_rest(), "answer");
    master.await_sign_of_life();
}

void master_is_told_of_a_worker_that_serves_and_of_no_other(void **) {
    FakeMaster master;
    master.configure({});
    const FakeWorker silent = master.add_worker(0);
    const FakeWorker serves = serving_worker(master);
    const auto told = master.await<wire::Started>(wire::Type::started, [&](const wire::Started &message) {
        return message.slot == serves.slot || message.slot == silent.slot;
    });
    assert_true(told.worker == serves.id);
}

void most_recently_used_worker_is_first(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker one = serving_worker(master);
    FakeWorker two = serving_worker(master);
    FakeClient first(master.port());
    first.send(request);
    Taken with_two = two.take();
    FakeClient second(master.port());
    second.send(request);
    Taken with_one = one.take();
    two.answer_and_close(with_two, "2");
    master.await_sign_of_life();
    one.answer_and_close(with_one, "1");
    master.await_sign_of_life();
    for (int times = 0; times < 3; times++) serve_one(master, one);
    assert_true(two.has_nothing());
}

void worker_without_parked_connections_is_preferred(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker free = serving_worker(master);
    FakeWorker parking = serving_worker(master);
    FakeClient client(master.port());
    client.send(request);
    Taken parked = parking.take();
    parking.report(parked, Outcome::park);
    master.await_sign_of_life();
    serve_one(master, free);
    serve_one(master, free);
}

void worker_with_parked_connections_serves_when_no_other_comes(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = serving_worker(master);
    FakeClient first(master.port());
    first.send(request);
    const Taken parked = worker.take();
    worker.report(parked, Outcome::park);
    master.await_sign_of_life();
    FakeClient second(master.port());
    second.send(request);
    master.await_want(0, 2); // it would rather have another one
    Taken taken = worker.take();
    worker.answer_and_close(taken, "answer");
    assert_text(second.read_rest(), "answer");
}

void parked_connection_resumes_and_ends(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = serving_worker(master);
    FakeClient client(master.port());
    client.send(request);
    Taken taken = worker.take();
    worker.report(taken, Outcome::park);
    worker.report(taken, Outcome::resume);
    worker.report(taken, Outcome::park);
    worker.report(taken, Outcome::resume);
    worker.report(taken, Outcome::park);
    taken.socket.reset();
    worker.report(taken, Outcome::end);
    assert_text(client.read_rest(), "");
    assert_false(master.has_come(wire::Type::broken));
}

void busy_workers_are_hurried_when_others_wait(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = serving_worker(master);
    FakeClient first(master.port());
    first.send(request);
    Taken taken = worker.take();
    assert_int_equal(taken.flags & wire::Connection::others_wait, 0);
    FakeClient second(master.port());
    FakeClient third(master.port());
    second.send(request);
    third.send(request);
    worker.await(wire::Type::hurry);
    master.await_want(0, 3);
    worker.answer_and_close(taken, "1");
    taken = worker.take();
    assert_int_equal(worker.hurries, 0); // once is enough
    assert_int_equal(taken.flags & wire::Connection::others_wait, wire::Connection::others_wait);
    worker.answer_and_close(taken, "2");
    taken = worker.take();
    assert_int_equal(taken.flags & wire::Connection::others_wait, 0);
}

using Breach = void (*)(FakeWorker &worker, const Taken &taken);

void assert_breaks(Breach breach) {
    FakeMaster master;
    master.configure({});
    FakeWorker other = serving_worker(master, 1);
    FakeClient of_other(master.port());
    of_other.send(request_b);
    Taken with_other = other.take();
    FakeWorker worker = serving_worker(master);
    FakeClient client(master.port());
    client.send(request);
    Taken taken = worker.take();
    breach(worker, taken);
    master.await_broken(worker);
    taken.socket.reset();
    assert_text(client.read_rest(), "");
    other.answer_and_close(with_other, "answer");
    assert_text(of_other.read_rest(), "answer");
}

void report_of_a_connection_not_given_breaks_the_protocol(void **) {
    assert_breaks([](FakeWorker &worker, const Taken &taken) {
        Taken none;
        none.id = {taken.id.place + 1, taken.id.use};
        worker.report(none, Outcome::close);
    });
}

void report_of_a_former_use_of_a_place_breaks_the_protocol(void **) {
    assert_breaks([](FakeWorker &worker, const Taken &taken) {
        Taken none;
        none.id = {taken.id.place, taken.id.use - 1};
        worker.report(none, Outcome::close);
    });
}

void report_of_another_workers_connection_breaks_the_protocol(void **) {
    assert_breaks([](FakeWorker &worker, const Taken &taken) {
        Taken others;
        others.id = {taken.id.place == 0 ? 1 : taken.id.place - 1, 1};
        worker.report(others, Outcome::close);
    });
}

void second_report_of_a_connection_breaks_the_protocol(void **) {
    assert_breaks([](FakeWorker &worker, const Taken &taken) {
        worker.report(taken, Outcome::close);
        worker.report(taken, Outcome::close);
    });
}

void unknown_outcome_breaks_the_protocol(void **) {
    assert_breaks([](FakeWorker &worker, const Taken &taken) { worker.report(taken, static_cast<Outcome>(77)); });
}

void end_of_a_connection_not_parked_breaks_the_protocol(void **) {
    assert_breaks([](FakeWorker &worker, const Taken &taken) { worker.report(taken, Outcome::end); });
}

void sending_of_a_connection_not_busy_breaks_the_protocol(void **) {
    assert_breaks([](FakeWorker &worker, const Taken &taken) {
        worker.report(taken, Outcome::park);
        worker.report(taken, Outcome::send);
    });
}

void second_serving_breaks_the_protocol(void **) {
    assert_breaks([](FakeWorker &worker, const Taken &) { worker.serving(); });
}

void message_of_another_role_breaks_the_protocol(void **) {
    assert_breaks([](FakeWorker &worker, const Taken &) {
        assert_true(wire::send_up(worker.channel.up.get(), wire::encode(wire::Ready{})).ok());
    });
}

void connection_outlives_a_worker_that_never_served(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker stillborn = master.add_worker(0);
    FakeClient client(master.port());
    client.send(request);
    stillborn.take();
    stillborn.die();
    master.await_want(0, 2);
    FakeWorker worker = serving_worker(master);
    Taken taken = worker.take();
    worker.answer_and_close(taken, "answer");
    assert_text(client.read_rest(), "answer");
}

void connection_is_refused_after_three_workers_that_never_served(void **) {
    FakeMaster master;
    master.configure({});
    FakeClient client(master.port());
    client.send(request);
    for (int times = 0; times < 3; times++) {
        FakeWorker stillborn = master.add_worker(0);
        stillborn.take();
        stillborn.die();
    }
    assert_text(client.read_rest().substr(0, 13), "HTTP/1.1 503 ");
}

void connection_ends_with_the_worker_that_served_it(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = serving_worker(master);
    FakeClient client(master.port());
    client.send(request);
    Taken taken = worker.take();
    send_all(taken.socket.get(), "half an ans");
    taken.socket.reset();
    worker.die();
    assert_text(client.read_rest(), "half an ans");
    assert_false(master.has_come(wire::Type::want));
}

void what_a_worker_reported_before_it_was_gone_counts(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = serving_worker(master);
    FakeClient client(master.port());
    client.send(request);
    Taken taken = worker.take();
    FakeWorker::read_request(taken);
    worker.answer_and_keep(taken, "answer");
    master.gone(worker); // its channel is still held open, as by a child of its own
    assert_text(client.read(6), "answer");
    FakeWorker next = serving_worker(master);
    client.send(request);
    next.take();
}

void gone_worker_takes_its_connections_along(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = serving_worker(master);
    FakeClient parked(master.port());
    parked.send(request);
    const Taken one = worker.take();
    worker.report(one, Outcome::park);
    FakeClient busy(master.port());
    busy.send(request);
    const Taken two = worker.take();
    master.gone(worker);
    assert_text(parked.read_rest(), "");
    assert_text(busy.read_rest(), "");
}

void idle_worker_finishes_after_a_while(void **) {
    FakeMaster master;
    Configuration configuration;
    configuration.settings.worker_idle_ms = 30;
    master.configure(configuration);
    FakeWorker worker = serving_worker(master);
    worker.await_finish(wire::Finish::keep_parked);
}

void worker_that_wants_nothing_more_finishes(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = serving_worker(master);
    FakeClient client(master.port());
    client.send(request);
    Taken taken = worker.take();
    taken.socket.reset();
    worker.report(taken, Outcome::close, wire::Report::last);
    worker.await_finish(wire::Finish::keep_parked);
    FakeClient next(master.port());
    next.send(request);
    master.await_want(0, 2);
}

void finishing_worker_keeps_its_parked_connections(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = serving_worker(master);
    FakeClient client(master.port());
    client.send(request);
    Taken taken = worker.take();
    worker.report(taken, Outcome::park, wire::Report::last);
    worker.await_finish(wire::Finish::keep_parked);
    worker.report(taken, Outcome::resume);
    send_all(taken.socket.get(), "answer");
    assert_text(client.read(6), "answer");
    taken.socket.reset();
    worker.report(taken, Outcome::close);
    assert_text(client.read_rest(), "");
    assert_false(master.has_come(wire::Type::broken));
}

void evicted_is_the_longest_idle_worker_of_another_identity(void **) {
    FakeMaster master;
    Configuration configuration;
    configuration.sites = {{0, "a.example"}, {1, "b.example"}, {2, "c.example"}};
    master.configure(configuration);
    FakeWorker needy = serving_worker(master, 1);
    FakeWorker oldest = serving_worker(master, 2);
    FakeWorker newer = serving_worker(master, 2);
    wire::Evict evict;
    evict.for_identity = IdentityKey{1};
    master.send(evict);
    oldest.await_finish(wire::Finish::close_parked);
    assert_true(newer.has_nothing());
    assert_true(needy.has_nothing());
}

void nobody_who_holds_a_connection_is_evicted_ahead(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker holding = serving_worker(master);
    FakeClient client(master.port());
    client.send(request);
    Taken taken = holding.take();
    FakeWorker::read_request(taken);
    holding.report(taken, Outcome::park);
    FakeWorker empty = serving_worker(master, 1);
    master.await_sign_of_life();
    wire::Evict evict;
    evict.header.code = wire::Evict::ahead;
    evict.for_identity = no_identity;
    master.send(evict);
    empty.await_finish(wire::Finish::close_parked);
    master.send(evict);
    master.await_sign_of_life();
    assert_true(holding.has_nothing());
}

void eviction_waits_for_a_worker_to_become_idle(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = serving_worker(master, 1);
    FakeClient client(master.port());
    client.send(request_b);
    Taken taken = worker.take();
    wire::Evict evict;
    evict.for_identity = IdentityKey{0};
    master.send(evict);
    assert_true(worker.has_nothing());
    worker.answer_and_close(taken, "answer");
    worker.await_finish(wire::Finish::close_parked);
}

void worker_that_does_not_read_costs_no_other_anything(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker deaf = serving_worker(master);
    FakeWorker other = serving_worker(master, 1);
    FakeClient first(master.port());
    first.send(request);
    await_readable(deaf.channel.down.get()); // sent, and never read
    FakeClient second(master.port());
    second.send(request);
    master.await_want(0, 2);
    serve_one(master, other, request_b);
    FakeWorker helper = serving_worker(master);
    Taken taken = helper.take();
    helper.answer_and_close(taken, "answer");
    assert_text(second.read_rest(), "answer");
}

void worker_whose_channel_is_full_gets_its_connection_later(void **) {
    FakeMaster master;
    master.configure({});
    std::uint32_t sent = 0;
    FakeWorker worker = master.add_worker(0, &sent);
    worker.serving();
    FakeClient client(master.port());
    client.send(request);
    master.await_want(0, 2);
    Taken taken = worker.take();
    assert_true(worker.hurries >= sent);
    worker.answer_and_close(taken, "answer");
    assert_text(client.read_rest(), "answer");
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(most_recently_used_worker_is_first),
        cmocka_unit_test(worker_without_parked_connections_is_preferred),
        cmocka_unit_test(worker_with_parked_connections_serves_when_no_other_comes),
        cmocka_unit_test(master_is_told_of_a_worker_that_serves_and_of_no_other),
        cmocka_unit_test(parked_connection_resumes_and_ends),
        cmocka_unit_test(busy_workers_are_hurried_when_others_wait),
        cmocka_unit_test(report_of_a_connection_not_given_breaks_the_protocol),
        cmocka_unit_test(report_of_a_former_use_of_a_place_breaks_the_protocol),
        cmocka_unit_test(report_of_another_workers_connection_breaks_the_protocol),
        cmocka_unit_test(second_report_of_a_connection_breaks_the_protocol),
        cmocka_unit_test(unknown_outcome_breaks_the_protocol),
        cmocka_unit_test(end_of_a_connection_not_parked_breaks_the_protocol),
        cmocka_unit_test(sending_of_a_connection_not_busy_breaks_the_protocol),
        cmocka_unit_test(second_serving_breaks_the_protocol),
        cmocka_unit_test(message_of_another_role_breaks_the_protocol),
        cmocka_unit_test(connection_outlives_a_worker_that_never_served),
        cmocka_unit_test(connection_is_refused_after_three_workers_that_never_served),
        cmocka_unit_test(connection_ends_with_the_worker_that_served_it),
        cmocka_unit_test(what_a_worker_reported_before_it_was_gone_counts),
        cmocka_unit_test(gone_worker_takes_its_connections_along),
        cmocka_unit_test(idle_worker_finishes_after_a_while),
        cmocka_unit_test(worker_that_wants_nothing_more_finishes),
        cmocka_unit_test(finishing_worker_keeps_its_parked_connections),
        cmocka_unit_test(evicted_is_the_longest_idle_worker_of_another_identity),
        cmocka_unit_test(nobody_who_holds_a_connection_is_evicted_ahead),
        cmocka_unit_test(eviction_waits_for_a_worker_to_become_idle),
        cmocka_unit_test(worker_that_does_not_read_costs_no_other_anything),
        cmocka_unit_test(worker_whose_channel_is_full_gets_its_connection_later),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
