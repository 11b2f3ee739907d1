// Claims about workers that answer the light requests of kept connections without a word.
#include "cmocka_for_cxx.h"
#include "fake_master.h"

#include "plan/growth.h"

#include <sched.h>

#include <algorithm>

using namespace itk2;
using namespace itk2::testing;
using wire::Outcome;

namespace {

constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

void assert_text(const std::string &found, std::string_view expected) {
    assert_string_equal(found.c_str(), std::string(expected).c_str());
}

FakeWorker serving_worker(FakeMaster &master) {
    FakeWorker worker = master.add_worker(0);
    worker.serving();
    return worker;
}

// A worker that tends the connection of this client.
FakeWorker tending_worker(FakeMaster &master, FakeClient &client, Taken &tended) {
    FakeWorker worker = serving_worker(master);
    client.send(request);
    tended = worker.take();
    worker.report(tended, Outcome::tend);
    return worker;
}

std::size_t enough_workers() {
    cpu_set_t usable;
    CPU_ZERO(&usable);
    assert_int_equal(sched_getaffinity(0, sizeof usable, &usable), 0);
    return std::max<std::size_t>(plan::few_workers, static_cast<std::size_t>(CPU_COUNT(&usable)));
}

bool may_tend(const Taken &taken) { return (taken.flags & wire::Connection::may_tend) != 0; }

void only_workers_of_a_large_pool_are_told_that_they_may(void **) {
    FakeMaster master;
    master.configure({});
    std::vector<FakeWorker> others;
    while (others.size() + 2 < enough_workers()) others.push_back(serving_worker(master));
    FakeWorker worker = serving_worker(master); // the one used last is the first to be given another
    FakeClient client(master.port());
    client.send(request);
    Taken taken = worker.take();
    assert_false(may_tend(taken));
    worker.answer_and_close(taken, "answer");
    assert_text(client.read_rest(), "answer");
    FakeWorker last = serving_worker(master);
    FakeClient next(master.port());
    next.send(request);
    taken = last.take();
    assert_true(may_tend(taken));
    last.answer_and_close(taken, "answer");
    assert_text(next.read_rest(), "answer");
}

void worker_that_tends_is_given_others_and_gives_back_what_it_tends(void **) {
    FakeMaster master;
    master.configure({});
    FakeClient client(master.port());
    Taken tended;
    FakeWorker worker = tending_worker(master, client, tended);
    FakeClient second(master.port());
    second.send(request);
    Taken taken = worker.take();
    worker.answer_and_close(taken, "answer");
    assert_text(second.read_rest(), "answer");
    worker.answer_and_keep(tended, "answer");
    assert_text(client.read(6), "answer");
    client.send(request);
    Taken again = worker.take();
    assert_true(again.id == tended.id);
    worker.answer_and_close(again, "answer");
    assert_text(client.read_rest(), "answer");
    assert_false(master.has_come(wire::Type::broken));
}

void worker_that_is_busy_with_a_tended_one_is_given_no_other(void **) {
    FakeMaster master;
    master.configure({});
    FakeClient client(master.port());
    Taken tended;
    FakeWorker worker = tending_worker(master, client, tended);
    worker.report(tended, Outcome::resume);
    master.await_sign_of_life();
    FakeClient second(master.port());
    second.send(request);
    (void)worker.await(wire::Type::hurry);
    master.await_want(0, 3); // beside these there was the sign of life
    assert_true(worker.has_nothing());
    worker.answer_and_close(tended, "answer");
    assert_text(client.read_rest(), "answer");
    Taken taken = worker.take();
    worker.answer_and_close(taken, "answer");
    assert_text(second.read_rest(), "answer");
}

void tended_connection_takes_no_other_turn(void **) {
    for (const Outcome outcome : {Outcome::close, Outcome::park, Outcome::send, Outcome::end, Outcome::tend}) {
        FakeMaster master;
        master.configure({});
        FakeClient client(master.port());
        Taken tended;
        FakeWorker worker = tending_worker(master, client, tended);
        worker.report(tended, outcome);
        master.await_broken(worker);
        assert_text(client.read_rest(), "");
    }
}

void what_is_counted_is_not_tended(void **) {
    FakeMaster master;
    Configuration configuration;
    configuration.sites[0].max_clients = 10;
    master.configure(configuration);
    FakeClient client(master.port());
    Taken tended;
    FakeWorker worker = tending_worker(master, client, tended);
    assert_false(may_tend(tended));
    master.await_broken(worker);
}

void worker_that_tends_gives_back_before_it_finishes(void **) {
    FakeMaster master;
    master.configure({});
    FakeClient client(master.port());
    Taken tended;
    FakeWorker worker = tending_worker(master, client, tended);
    master.await_sign_of_life();
    master.configure({});
    worker.await_finish(wire::Finish::keep_parked);
    worker.answer_and_keep(tended, "answer");
    assert_text(client.read(6), "answer");
    FakeWorker next = serving_worker(master);
    client.send(request);
    Taken again = next.take();
    assert_true(again.id == tended.id);
    next.answer_and_close(again, "answer");
    assert_text(client.read_rest(), "answer");
}

void worker_that_tends_is_evicted_after_one_that_does_not(void **) {
    FakeMaster master;
    master.configure({});
    FakeClient client(master.port());
    Taken tended;
    FakeWorker worker = tending_worker(master, client, tended);
    master.await_sign_of_life();
    FakeWorker other = serving_worker(master);
    wire::Evict message;
    message.for_identity = IdentityKey{1};
    master.send(message);
    other.await_finish(wire::Finish::close_parked);
    master.send(message);
    worker.await_finish(wire::Finish::close_parked);
    worker.answer_and_keep(tended, "answer");
    assert_text(client.read(6), "answer");
}

void stop_ends_a_tended_connection_after_its_answer(void **) {
    FakeMaster master;
    master.configure({});
    FakeClient client(master.port());
    Taken tended;
    FakeWorker worker = tending_worker(master, client, tended);
    master.await_sign_of_life();
    master.send(wire::Stop{});
    worker.await_finish(wire::Finish::keep_parked);
    worker.answer_and_keep(tended, "answer");
    assert_text(client.read_rest(), "answer");
    client.socket.reset();
    master.await_drained();
}

void lost_worker_takes_along_what_it_tends(void **) {
    FakeMaster master;
    master.configure({});
    FakeClient client(master.port());
    Taken tended;
    FakeWorker worker = tending_worker(master, client, tended);
    master.await_sign_of_life();
    tended.socket.reset();
    worker.die();
    assert_text(client.read_rest(), "");
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(only_workers_of_a_large_pool_are_told_that_they_may),
        cmocka_unit_test(worker_that_tends_is_given_others_and_gives_back_what_it_tends),
        cmocka_unit_test(worker_that_is_busy_with_a_tended_one_is_given_no_other),
        cmocka_unit_test(tended_connection_takes_no_other_turn),
        cmocka_unit_test(what_is_counted_is_not_tended),
        cmocka_unit_test(worker_that_tends_gives_back_before_it_finishes),
        cmocka_unit_test(worker_that_tends_is_evicted_after_one_that_does_not),
        cmocka_unit_test(stop_ends_a_tended_connection_after_its_answer),
        cmocka_unit_test(lost_worker_takes_along_what_it_tends),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
