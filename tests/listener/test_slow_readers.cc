// Claims about workers that send the rest of an answer to a client that reads slowly.
#include "cmocka_for_cxx.h"
#include "fake_master.h"

using namespace itk2;
using namespace itk2::testing;
using wire::Outcome;

namespace {

constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

void worker_that_sends_to_a_slow_reader_serves_others_and_then_gives_it_back(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = serving_worker(master);
    FakeClient slow(master.port());
    slow.send(request);
    Taken sending = worker.take();
    worker.report(sending, Outcome::send);
    FakeClient second(master.port());
    second.send(request);
    master.await_want(0, 2); // it would rather have another one
    Taken taken = worker.take();
    worker.answer_and_close(taken, "answer");
    assert_text(second.read_rest(), "answer");
    worker.answer_and_keep(sending, "slow answer");
    assert_text(slow.read(11), "slow answer");
    slow.send(request);
    Taken again = worker.take();
    assert_true(again.id == sending.id);
    worker.answer_and_close(again, "answer");
    assert_text(slow.read_rest(), "answer");
}

void sending_connection_resumes_parks_and_closes(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = serving_worker(master);
    FakeClient client(master.port());
    client.send(request);
    Taken taken = worker.take();
    worker.report(taken, Outcome::send);
    worker.report(taken, Outcome::resume);
    worker.report(taken, Outcome::send);
    worker.report(taken, Outcome::park);
    worker.report(taken, Outcome::resume);
    worker.report(taken, Outcome::send);
    taken.socket.reset();
    worker.report(taken, Outcome::close);
    assert_text(client.read_rest(), "");
    assert_false(master.has_come(wire::Type::broken));
}

void sending_connection_counts_against_max_clients(void **) {
    FakeMaster master;
    Configuration configuration;
    configuration.sites[0].max_clients = 1;
    master.configure(configuration);
    FakeWorker worker = serving_worker(master);
    FakeWorker other = serving_worker(master);
    FakeClient slow(master.port());
    slow.send(request);
    Taken sending = other.take();
    other.report(sending, Outcome::send);
    FakeClient refused(master.port());
    refused.send(request);
    assert_text(refused.read_rest().substr(0, 12), "HTTP/1.1 503");
    other.report(sending, Outcome::park);
    master.await_sign_of_life();
    FakeClient next(master.port());
    next.send(request);
    Taken taken = worker.take();
    worker.answer_and_close(taken, "answer");
    assert_text(next.read_rest(), "answer");
}

void finishing_worker_sends_to_the_end(void **) {
    FakeMaster master;
    master.configure({});
    FakeWorker worker = serving_worker(master);
    FakeClient slow(master.port());
    slow.send(request);
    Taken sending = worker.take();
    worker.report(sending, Outcome::send);
    master.await_sign_of_life();
    master.configure({});
    worker.await_finish(wire::Finish::keep_parked);
    worker.answer_and_keep(sending, "slow answer");
    assert_text(slow.read(11), "slow answer");
    FakeWorker next = serving_worker(master);
    slow.send(request);
    Taken again = next.take();
    next.answer_and_close(again, "answer");
    assert_text(slow.read_rest(), "answer");
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(worker_that_sends_to_a_slow_reader_serves_others_and_then_gives_it_back),
        cmocka_unit_test(sending_connection_resumes_parks_and_closes),
        cmocka_unit_test(sending_connection_counts_against_max_clients),
        cmocka_unit_test(finishing_worker_sends_to_the_end),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
