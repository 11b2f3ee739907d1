// Claims about parsers that have been granted an identity: each is a worker of the connection it has, and of no other.
#include "cmocka_for_cxx.h"
#include "fake_master.h"

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
    configuration.sites = {undecided_site("u.example", plan::HintScope::none), {a, "a.example"}, {a + 1, "b.example"}};
    return configuration;
}

Taken send_and_take(FakeClient &client, FakeWorker &worker, std::string_view asked = request) {
    client.send(asked);
    Taken taken = worker.take();
    FakeWorker::read_request(taken);
    return taken;
}

// A connection that a parser has, which has become a's worker for it.
struct Scene {
    FakeMaster master;
    FakeWorker parser;
    FakeClient client;
    Taken taken;

    explicit Scene(const Configuration &configuration = undecided_one())
        : parser(configured(master, configuration)), client(master.port()), taken(send_and_take(client, parser)) {
        master.identify(parser, a);
    }
    void park() {
        parser.report(taken, Outcome::park);
        master.await_sign_of_life();
    }
    void evict(std::uint32_t for_identity) {
        wire::Evict message;
        message.for_identity = IdentityKey{for_identity};
        master.send(message);
    }

  private:
    static FakeWorker configured(FakeMaster &master, const Configuration &configuration) {
        master.configure(configuration);
        return serving_worker(master, undecided);
    }
};

void kept_connection_goes_to_another_worker_of_its_identity(void **) {
    Scene scene;
    scene.parser.answer_and_keep(scene.taken, "answer");
    assert_text(scene.client.read(6), "answer");
    scene.parser.await_finish(wire::Finish::keep_parked);
    FakeWorker worker = serving_worker(scene.master, a);
    for (std::uint32_t times = 1; times < 4; times++) {
        Taken taken = send_and_take(scene.client, worker, times == 2 ? request_a : request);
        assert_int_equal(taken.keepalives, times);
        worker.answer_and_keep(taken, "answer", times + 1);
        assert_text(scene.client.read(6), "answer");
    }
    assert_false(scene.master.has_come(wire::Type::want));
}

void connection_is_no_other_identitys(void **) {
    Scene scene;
    FakeWorker other = serving_worker(scene.master, a + 1);
    scene.parser.answer_and_keep(scene.taken, "answer");
    assert_text(scene.client.read(6), "answer");
    scene.client.send("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n");
    assert_text(scene.client.read_rest(), "");
    assert_true(other.has_nothing());
}

void others_that_wait_get_another_worker(void **) {
    Scene scene;
    FakeClient waiting(scene.master.port());
    waiting.send(request_a);
    scene.master.await_want(a, 1); // the parser is none of those
    scene.parser.await(wire::Type::hurry);
    scene.parser.answer_and_close(scene.taken, "answer");
    assert_text(scene.client.read_rest(), "answer");
    scene.parser.await_finish(wire::Finish::keep_parked);
    FakeWorker worker = serving_worker(scene.master, a);
    Taken taken = worker.take();
    worker.answer_and_close(taken, "a");
    assert_text(waiting.read_rest(), "a");
    assert_false(scene.master.has_come(wire::Type::want));
}

void what_was_asked_for_before_is_still_to_come(void **) {
    FakeMaster master;
    master.configure(undecided_one());
    FakeWorker parser = serving_worker(master, undecided);
    FakeClient client(master.port());
    const Taken taken = send_and_take(client, parser);
    FakeClient first(master.port());
    first.send(request_a);
    master.await_want(a, 1);
    master.identify(parser, a);
    FakeClient second(master.port());
    second.send(request_a);
    master.await_want(a, 2);
    assert_false(master.has_come(wire::Type::want));
}

// As many as would make a pool slow to ask for more.
void they_are_no_workers_of_the_pool(void **) {
    FakeMaster master;
    master.configure(undecided_one());
    std::vector<FakeClient> clients;
    std::vector<FakeWorker> parsers;
    std::vector<Taken> held;
    for (int i = 0; i < 8; i++) {
        parsers.push_back(serving_worker(master, undecided));
        clients.emplace_back(master.port());
        held.push_back(send_and_take(clients.back(), parsers.back()));
        master.identify(parsers.back(), a);
    }
    for (std::uint32_t waiting = 1; waiting < 4; waiting++) {
        clients.emplace_back(master.port()).send(request_a);
        master.await_want(a, waiting);
    }
}

void parked_connection_is_all_that_is_served(void **) {
    Scene scene;
    scene.park();
    FakeClient waiting(scene.master.port());
    waiting.send(request_a);
    scene.master.await_want(a, 1);
    for (int times = 0; times < 2; times++) {
        scene.parser.report(scene.taken, Outcome::resume);
        scene.parser.await(wire::Type::hurry);
        scene.park();
    }
    assert_true(scene.parser.has_nothing());
    FakeWorker worker = serving_worker(scene.master, a);
    Taken taken = worker.take();
    worker.answer_and_close(taken, "a");
    assert_text(waiting.read_rest(), "a");
    scene.parser.report(scene.taken, Outcome::end);
    scene.parser.await_finish(wire::Finish::keep_parked);
    assert_false(scene.master.has_come(wire::Type::want));
}

// Not even where the master has no other worker to give.
void parked_one_gets_no_connection_when_no_other_comes(void **) {
    Configuration configuration = undecided_one();
    configuration.settings.queue_timeout_ms = 200;
    Scene scene(configuration);
    FakeWorker worker = serving_worker(scene.master, a);
    FakeClient first(scene.master.port());
    const Taken taken = send_and_take(first, worker, request_a);
    worker.report(taken, Outcome::park);
    scene.park();
    for (int times = 0; times < 2; times++) {
        FakeClient next(scene.master.port());
        const Taken given = send_and_take(next, worker, request_a);
        worker.report(given, Outcome::park);
    }
    scene.master.await_sign_of_life();
    assert_true(scene.parser.has_nothing());
}

void idle_timeout_is_nothing_to_a_parked_one(void **) {
    Configuration configuration = undecided_one();
    configuration.settings.worker_idle_ms = 30;
    Scene scene(configuration);
    scene.park();
    FakeWorker worker = serving_worker(scene.master, a);
    worker.await_finish(wire::Finish::keep_parked);
    assert_true(scene.parser.has_nothing());
}

void parked_one_is_evicted_after_those_with_nothing_parked(void **) {
    Scene scene;
    scene.park();
    FakeWorker idle = serving_worker(scene.master, a);
    scene.evict(a + 1);
    idle.await_finish(wire::Finish::close_parked);
    assert_true(scene.parser.has_nothing());
    scene.evict(a + 1);
    scene.parser.await_finish(wire::Finish::close_parked);
}

void parked_one_is_evicted_for_its_own_identity_too(void **) {
    Scene scene;
    scene.park();
    scene.evict(a);
    scene.parser.await_finish(wire::Finish::close_parked);
}

void eviction_that_is_owed_takes_the_one_that_parks(void **) {
    Scene scene;
    FakeClient first(scene.master.port());
    first.send(request_a);
    scene.master.await_want(a, 1);
    scene.parser.await(wire::Type::hurry);
    scene.evict(a);
    FakeClient second(scene.master.port());
    second.send(request_a);
    scene.master.await_want(a, 2); // the order before has been read
    scene.parser.report(scene.taken, Outcome::park);
    scene.parser.await_finish(wire::Finish::close_parked);
}

void parked_one_retires_with_its_generation(void **) {
    Scene scene;
    scene.park();
    scene.master.configure(undecided_one());
    scene.parser.await_finish(wire::Finish::keep_parked);
}

void parked_one_is_let_go_by_a_stopping_listener(void **) {
    Scene scene;
    scene.park();
    scene.master.send(wire::Stop{});
    scene.parser.await_finish(wire::Finish::keep_parked);
    scene.parser.report(scene.taken, Outcome::end);
    scene.taken.socket.reset();
    scene.client.socket.reset();
    scene.parser.die();
    scene.master.await_drained();
}

void parked_connection_ends_with_its_worker(void **) {
    Scene scene;
    scene.park();
    scene.taken.socket.reset();
    scene.parser.die();
    assert_text(scene.client.read_rest(), "");
    FakeClient next(scene.master.port());
    next.send(request_a);
    scene.master.await_want(a, 1);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(kept_connection_goes_to_another_worker_of_its_identity),
        cmocka_unit_test(connection_is_no_other_identitys),
        cmocka_unit_test(others_that_wait_get_another_worker),
        cmocka_unit_test(what_was_asked_for_before_is_still_to_come),
        cmocka_unit_test(they_are_no_workers_of_the_pool),
        cmocka_unit_test(parked_connection_is_all_that_is_served),
        cmocka_unit_test(parked_one_gets_no_connection_when_no_other_comes),
        cmocka_unit_test(idle_timeout_is_nothing_to_a_parked_one),
        cmocka_unit_test(parked_one_is_evicted_after_those_with_nothing_parked),
        cmocka_unit_test(parked_one_is_evicted_for_its_own_identity_too),
        cmocka_unit_test(eviction_that_is_owed_takes_the_one_that_parks),
        cmocka_unit_test(parked_one_retires_with_its_generation),
        cmocka_unit_test(parked_one_is_let_go_by_a_stopping_listener),
        cmocka_unit_test(parked_connection_ends_with_its_worker),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
