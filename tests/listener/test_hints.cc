// Claims about hints: a place whose identity a parser has found goes to that identity's workers, until it proves wrong.
#include "client_hello_bytes.h"
#include "cmocka_for_cxx.h"
#include "fake_master.h"

using namespace itk2;
using namespace itk2::testing;
using plan::HintScope;
using wire::Outcome;

namespace {

constexpr std::uint32_t one = 7, two = 8;

std::string asking_for(const std::string &path, const std::string &host = "paths.example") {
    return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
}

Configuration undecided_ones() {
    Configuration configuration;
    configuration.sites = {undecided_site("paths.example", HintScope::place),
                           undecided_site("hosts.example", HintScope::host),
                           undecided_site("nothing.example", HintScope::none)};
    return configuration;
}

// The listener, and how many parsers it has been given.
struct Scene {
    FakeMaster master;
    std::uint32_t parsers = 0;
    std::uint16_t hint_flags = 0; // of Identified

    Scene() { master.configure(undecided_ones()); }

    // A connection that goes to a parser, which becomes this identity for it, and ends with it.
    void found_by_parser(const std::string &asked, std::uint32_t identity) {
        FakeClient client(master.port());
        client.send(asked);
        FakeWorker parser = await_parser();
        Taken taken = parser.take();
        master.identify(parser, identity, hint_flags);
        parser.answer_and_close(taken, "found");
        assert_text(client.read_rest(), "found");
        parser.await_finish(wire::Finish::keep_parked);
    }
    FakeWorker warm_worker(std::uint32_t identity) {
        FakeWorker worker = master.add_worker(identity);
        worker.serving();
        master.await_sign_of_life();
        return worker;
    }
    // One more is wanted, and comes.
    FakeWorker await_parser() {
        master.await_want(undecided, ++parsers);
        FakeWorker parser = master.add_worker(undecided);
        parser.serving();
        return parser;
    }
    void assert_served_by(FakeWorker &worker, const std::string &asked, std::uint16_t flags = 0) {
        FakeClient client(master.port());
        client.send(asked);
        Taken taken = worker.take();
        send_all(taken.socket.get(), "answer");
        taken.socket.reset();
        worker.report(taken, Outcome::close, flags);
        assert_text(client.read(6), "answer");
        master.await_sign_of_life();
    }
    void assert_needs_a_parser(const std::string &asked) {
        FakeClient client(master.port());
        client.send(asked);
        FakeWorker parser = await_parser();
        Taken taken = parser.take();
        parser.answer_and_close(taken, "nothing");
        assert_text(client.read_rest(), "nothing");
    }
};

void second_connection_finds_a_worker(void **) {
    Scene scene;
    scene.found_by_parser(asking_for("/", "hosts.example"), one);
    FakeWorker worker = scene.warm_worker(one);
    scene.assert_served_by(worker, asking_for("/elsewhere/", "HOSTS.example:80"));
    scene.assert_served_by(worker, "GET http://hosts.example/x HTTP/1.1\r\nHost: other\r\n\r\n");
}

void place_is_known_by_host_and_path(void **) {
    Scene scene;
    scene.found_by_parser(asking_for("/x/1.php"), one);
    scene.found_by_parser(asking_for("/y/1.php"), two);
    FakeWorker first = scene.warm_worker(one);
    FakeWorker second = scene.warm_worker(two);
    scene.assert_served_by(first, asking_for("/x/2.php?a=/y/"));
    scene.assert_served_by(second, asking_for("/y/"));
    scene.assert_needs_a_parser(asking_for("/x"));
    scene.assert_needs_a_parser(asking_for("/x/deeper/"));
    scene.assert_needs_a_parser(asking_for("/"));
}

void nothing_is_learnt_where_the_table_says_so(void **) {
    Scene scene;
    scene.found_by_parser(asking_for("/", "nothing.example"), one);
    const FakeWorker worker = scene.warm_worker(one);
    scene.assert_needs_a_parser(asking_for("/", "nothing.example"));
}

void worker_is_wanted_for_a_known_place(void **) {
    Scene scene;
    scene.found_by_parser(asking_for("/"), one);
    FakeClient first(scene.master.port());
    first.send(asking_for("/"));
    scene.master.await_want(one, 1); // the parser was none
    FakeWorker busy = scene.master.add_worker(one);
    const Taken taken = busy.take();
    FakeClient second(scene.master.port());
    second.send(asking_for("/"));
    scene.master.await_want(one, 2);
    FakeWorker worker = scene.master.add_worker(one);
    (void)worker.take();
}

void hint_that_was_wrong_is_used_no_more(void **) {
    Scene scene;
    scene.found_by_parser(asking_for("/"), one);
    FakeWorker worker = scene.warm_worker(one);
    scene.assert_served_by(worker, asking_for("/"), wire::Report::misdirected);
    for (int times = 0; times < 2; times++) scene.found_by_parser(asking_for("/"), one);
    assert_true(worker.has_nothing());
}

void place_of_two_identities_needs_parsers(void **) {
    Scene scene;
    FakeClient first(scene.master.port());
    first.send(asking_for("/"));
    FakeWorker parser_of_first = scene.await_parser();
    FakeClient second(scene.master.port());
    second.send(asking_for("/"));
    FakeWorker parser_of_second = scene.await_parser();
    Taken taken = parser_of_first.take();
    scene.master.identify(parser_of_first, one);
    parser_of_first.answer_and_close(taken, "1");
    taken = parser_of_second.take();
    scene.master.identify(parser_of_second, two);
    parser_of_second.answer_and_close(taken, "2");
    assert_text(first.read_rest(), "1");
    assert_text(second.read_rest(), "2");
    scene.assert_needs_a_parser(asking_for("/"));
}

// It has the connection because it had it before, not because of what is known of the place.
void owner_of_a_connection_that_is_not_meant_refutes_nothing(void **) {
    Scene scene;
    scene.found_by_parser(asking_for("/y/"), two);
    FakeWorker worker_of_y = scene.warm_worker(two);
    FakeWorker owner = scene.warm_worker(one);
    FakeClient client(scene.master.port());
    client.send(asking_for("/x/"));
    FakeWorker parser = scene.await_parser();
    Taken taken = parser.take();
    FakeWorker::read_request(taken);
    scene.master.identify(parser, one);
    parser.answer_and_keep(taken, "x");
    assert_text(client.read(1), "x");
    client.send(asking_for("/y/"));
    taken = owner.take();
    taken.socket.reset();
    owner.report(taken, Outcome::close, wire::Report::misdirected);
    scene.master.await_sign_of_life();
    scene.assert_served_by(worker_of_y, asking_for("/y/"));
    scene.assert_served_by(owner, asking_for("/x/"));
}

void new_generation_knows_nothing(void **) {
    Scene scene;
    scene.found_by_parser(asking_for("/"), one);
    scene.master.configure(undecided_ones());
    const FakeWorker worker = scene.warm_worker(one);
    scene.assert_needs_a_parser(asking_for("/"));
}

void what_a_former_generation_finds_is_not_learnt(void **) {
    Scene scene;
    FakeClient client(scene.master.port());
    client.send(asking_for("/"));
    FakeWorker parser = scene.await_parser();
    Taken taken = parser.take();
    scene.master.configure(undecided_ones());
    scene.master.identify(parser, one);
    parser.answer_and_close(taken, "answer");
    assert_text(client.read_rest(), "answer");
    scene.assert_needs_a_parser(asking_for("/"));
}

void tls_connection_is_known_by_its_name(void **) {
    Scene scene;
    scene.found_by_parser(client_hello("hosts.example"), one);
    FakeWorker worker = scene.warm_worker(one);
    scene.assert_served_by(worker, client_hello("hosts.example"));
    scene.assert_needs_a_parser(asking_for("/", "hosts.example"));
    scene.assert_served_by(worker, client_hello("hosts.example"), wire::Report::misdirected);
    scene.assert_needs_a_parser(client_hello("hosts.example"));
}

void tls_connection_needs_a_parser_where_the_path_counts(void **) {
    Scene scene;
    scene.found_by_parser(client_hello("paths.example"), one);
    const FakeWorker worker = scene.warm_worker(one);
    scene.assert_needs_a_parser(client_hello("paths.example"));
}

void site_where_hints_were_wrong_three_times_gets_none_and_the_log_says_so(void **) {
    Scene scene;
    FakeWorker worker = scene.warm_worker(one);
    for (const char *path : {"/1/", "/2/", "/3/", "/4/"}) scene.found_by_parser(asking_for(path), one);
    for (const char *path : {"/1/", "/2/", "/3/"})
        scene.assert_served_by(worker, asking_for(path), wire::Report::misdirected);
    (void)scene.master.await_notice(wire::NoticeCode::hints_off);
    scene.assert_needs_a_parser(asking_for("/4/"));
    scene.found_by_parser(asking_for("/", "hosts.example"), two);
    FakeWorker elsewhere = scene.warm_worker(two);
    scene.assert_served_by(elsewhere, asking_for("/", "hosts.example"));
}

void what_was_found_for_a_while_is_forgotten_then(void **) {
    Scene scene;
    Configuration short_lived = undecided_ones();
    short_lived.settings.hint_ms = 1000;
    scene.master.configure(short_lived);
    scene.hint_flags = wire::Identified::passing;
    scene.found_by_parser(asking_for("/"), one);
    FakeWorker worker = scene.warm_worker(one);
    // However long that takes: sooner or later a parser is asked again.
    FakeClient client(scene.master.port());
    for (;;) {
        FakeClient asking(scene.master.port());
        asking.send(asking_for("/"));
        scene.master.await_sign_of_life();
        const std::optional<Taken> taken = worker.take_if_there();
        if (!taken) break;
        send_all(taken->socket.get(), "answer");
        worker.report(*taken, Outcome::close, 0);
        usleep(50'000);
    }
    (void)scene.await_parser();
}

void connection_by_a_hint_outlives_a_worker_that_never_served(void **) {
    Scene scene;
    scene.found_by_parser(asking_for("/"), one);
    FakeClient client(scene.master.port());
    client.send(asking_for("/"));
    scene.master.await_want(one, 1);
    FakeWorker stillborn = scene.master.add_worker(one);
    stillborn.take();
    stillborn.die();
    scene.master.await_want(one, 2);
    FakeWorker next = scene.master.add_worker(one);
    (void)next.take();
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(second_connection_finds_a_worker),
        cmocka_unit_test(place_is_known_by_host_and_path),
        cmocka_unit_test(nothing_is_learnt_where_the_table_says_so),
        cmocka_unit_test(worker_is_wanted_for_a_known_place),
        cmocka_unit_test(hint_that_was_wrong_is_used_no_more),
        cmocka_unit_test(place_of_two_identities_needs_parsers),
        cmocka_unit_test(owner_of_a_connection_that_is_not_meant_refutes_nothing),
        cmocka_unit_test(new_generation_knows_nothing),
        cmocka_unit_test(what_a_former_generation_finds_is_not_learnt),
        cmocka_unit_test(tls_connection_is_known_by_its_name),
        cmocka_unit_test(tls_connection_needs_a_parser_where_the_path_counts),
        cmocka_unit_test(site_where_hints_were_wrong_three_times_gets_none_and_the_log_says_so),
        cmocka_unit_test(what_was_found_for_a_while_is_forgotten_then),
        cmocka_unit_test(connection_by_a_hint_outlives_a_worker_that_never_served),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
