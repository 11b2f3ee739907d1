// Claims about workers that answer the light requests of kept connections without a word.
#include "cmocka_for_cxx.h"
#include "fake_master.h"

#include "plan/growth.h"

#include <poll.h>
#include <sched.h>

#include <algorithm>
#include <optional>

using namespace itk2;
using namespace itk2::testing;
using wire::Outcome;

namespace {

constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

// A worker that tends the connection of a client.
struct Tending {
    explicit Tending(const Configuration &configuration = {}) {
        master.configure(configuration);
        client.emplace(master.port());
        worker = serving_worker(master);
        client->send(request);
        tended = worker.take();
        worker.report(tended, Outcome::tend);
    }

    FakeMaster master;
    std::optional<FakeClient> client;
    FakeWorker worker;
    Taken tended;
};

std::size_t enough_workers() {
    cpu_set_t usable;
    CPU_ZERO(&usable);
    assert_int_equal(sched_getaffinity(0, sizeof usable, &usable), 0);
    return std::max<std::size_t>(plan::few_workers, static_cast<std::size_t>(CPU_COUNT(&usable)));
}

bool may_tend(const Taken &taken) { return (taken.flags & wire::Connection::may_tend) != 0; }

struct Given {
    FakeWorker *worker;
    Taken taken;
};

// What one of them is given next: a worker may be free again without the listener having heard of it.
Given await_given(std::vector<FakeWorker> &workers) {
    for (int waited = 0; waited < wait_ms; waited++) {
        for (FakeWorker &worker : workers)
            if (std::optional<Taken> taken = worker.take_if_there()) return {&worker, std::move(*taken)};
        poll(nullptr, 0, 1);
    }
    fail_msg("no worker is given anything");
    return {};
}

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

// What is tended can't be shed.
void nobody_may_tend_where_more_than_half_of_the_descriptors_are_in_use(void **) {
    FakeMaster master(200);
    master.configure({});
    std::vector<FakeWorker> workers;
    while (workers.size() < enough_workers()) workers.push_back(serving_worker(master));
    std::vector<FakeClient> silent;
    for (int i = 0; i < 100; i++) silent.emplace_back(master.port());
    FakeClient client(master.port());
    client.send(request);
    Given given = await_given(workers);
    assert_false(may_tend(given.taken));
    silent.clear();
    for (int i = 0; i < 1000 && !may_tend(given.taken); i++) { // until it has seen that they are gone
        given.worker->answer_and_close(given.taken, "answer");
        FakeClient next(master.port());
        next.send(request);
        given = await_given(workers);
    }
    assert_true(may_tend(given.taken));
}

void worker_that_tends_is_given_others_and_gives_back_what_it_tends(void **) {
    Tending on;
    FakeClient second(on.master.port());
    second.send(request);
    Taken taken = on.worker.take();
    on.worker.answer_and_close(taken, "answer");
    assert_text(second.read_rest(), "answer");
    on.worker.answer_and_keep(on.tended, "answer");
    assert_text(on.client->read(6), "answer");
    on.client->send(request);
    Taken again = on.worker.take();
    assert_true(again.id == on.tended.id);
    on.worker.answer_and_close(again, "answer");
    assert_text(on.client->read_rest(), "answer");
    assert_false(on.master.has_come(wire::Type::broken));
}

void worker_that_is_busy_with_a_tended_one_is_given_no_other(void **) {
    Tending on;
    on.worker.report(on.tended, Outcome::resume);
    on.master.await_sign_of_life();
    FakeClient second(on.master.port());
    second.send(request);
    (void)on.worker.await(wire::Type::hurry);
    on.master.await_want(0, 3); // beside these there was the sign of life
    assert_true(on.worker.has_nothing());
    on.worker.answer_and_close(on.tended, "answer");
    assert_text(on.client->read_rest(), "answer");
    Taken taken = on.worker.take();
    on.worker.answer_and_close(taken, "answer");
    assert_text(second.read_rest(), "answer");
}

void tended_connection_takes_no_other_turn(void **) {
    for (const Outcome outcome : {Outcome::close, Outcome::park, Outcome::send, Outcome::end, Outcome::tend}) {
        Tending on;
        on.worker.report(on.tended, outcome);
        on.master.await_broken(on.worker);
        assert_text(on.client->read_rest(), "");
    }
}

void what_is_counted_is_not_tended(void **) {
    Configuration configuration;
    configuration.sites[0].max_clients = 10;
    Tending on(configuration);
    assert_false(may_tend(on.tended));
    on.master.await_broken(on.worker);
}

void worker_that_tends_gives_back_before_it_finishes(void **) {
    Tending on;
    on.master.await_sign_of_life();
    on.master.configure({});
    on.worker.await_finish(wire::Finish::keep_parked);
    on.worker.answer_and_keep(on.tended, "answer");
    assert_text(on.client->read(6), "answer");
    FakeWorker next = serving_worker(on.master);
    on.client->send(request);
    Taken again = next.take();
    assert_true(again.id == on.tended.id);
    next.answer_and_close(again, "answer");
    assert_text(on.client->read_rest(), "answer");
}

void worker_that_tends_is_evicted_after_one_that_does_not(void **) {
    Tending on;
    on.master.await_sign_of_life();
    FakeWorker other = serving_worker(on.master);
    wire::Evict message;
    message.for_identity = IdentityKey{1};
    on.master.send(message);
    other.await_finish(wire::Finish::close_parked);
    on.master.send(message);
    on.worker.await_finish(wire::Finish::close_parked);
    on.worker.answer_and_keep(on.tended, "answer");
    assert_text(on.client->read(6), "answer");
}

void stop_ends_a_tended_connection_after_its_answer(void **) {
    Tending on;
    on.master.await_sign_of_life();
    on.master.send(wire::Stop{});
    on.worker.await_finish(wire::Finish::keep_parked);
    on.worker.answer_and_keep(on.tended, "answer");
    assert_text(on.client->read_rest(), "answer");
    on.client->socket.reset();
    on.master.await_drained();
}

void lost_worker_takes_along_what_it_tends(void **) {
    Tending on;
    on.master.await_sign_of_life();
    on.tended.socket.reset();
    on.worker.die();
    assert_text(on.client->read_rest(), "");
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(only_workers_of_a_large_pool_are_told_that_they_may),
        cmocka_unit_test(nobody_may_tend_where_more_than_half_of_the_descriptors_are_in_use),
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
