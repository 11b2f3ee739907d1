// Claims about what the listener counts for who may see the server's status: where each connection is.
#include "cmocka_for_cxx.h"
#include "fake_master.h"

using namespace itk2;
using namespace itk2::testing;
using plan::Held;

namespace {

constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: b.example\r\n\r\n"; // of site 1

void a_connection_is_counted_in_each_of_its_states(void **) {
    FakeMaster master;
    master.configure({});
    FakeClient client(master.port());
    client.send(request.substr(0, 20));
    master.await_held(Held::waiting, 1);
    assert_int_equal(master.busy(1), 0);
    client.send(request.substr(20));
    master.await_held(Held::queued, 1);
    assert_int_equal(master.busy(1), 1);
    assert_int_equal(master.queued(1), 1);

    FakeWorker worker = serving_worker(master, 1);
    Taken taken = worker.take();
    master.await_held(Held::busy, 1);
    assert_int_equal(master.busy(1), 1);
    assert_int_equal(master.queued(1), 0);
    assert_text(FakeWorker::read_request(taken), request);
    worker.answer_and_keep(taken, "1");
    master.await_held(Held::idle, 1);
    assert_int_equal(master.busy(1), 0);
    assert_text(client.read(1), "1");

    client.send(request);
    taken = worker.take();
    master.await_held(Held::busy, 1);
    master.await_held(Held::idle, 0);
    assert_text(FakeWorker::read_request(taken), request);
    worker.answer_and_close(taken, "2");
    master.await_held(Held::lingering, 1);
    assert_text(client.read_rest(), "2");
    client.socket.reset();
    for (const Held state : {Held::waiting, Held::idle, Held::queued, Held::busy, Held::lingering})
        master.await_held(state, 0);
    assert_int_equal(master.busy(0), 0);
    assert_int_equal(master.queued(0), 0);
}

void a_queue_is_counted_as_long_as_it_is(void **) {
    FakeMaster master;
    Configuration configuration;
    configuration.settings.queue_limit = 2;
    master.configure(configuration);
    FakeClient first(master.port()), second(master.port()), refused(master.port());
    first.send(request);
    master.await_held(Held::queued, 1);
    second.send(request);
    master.await_held(Held::queued, 2);
    refused.send(request);
    master.await_notice(wire::NoticeCode::queue_full);
    master.await_held(Held::queued, 2);
    assert_int_equal(master.busy(1), 2);
    assert_int_equal(master.queued(1), 2);
    // A new generation looks at them anew.
    master.configure(configuration);
    master.await_held(Held::queued, 2);
    assert_int_equal(master.queued(1), 2);
    assert_int_equal(master.queued(0), 0);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_counted_in_each_of_its_states),
        cmocka_unit_test(a_queue_is_counted_as_long_as_it_is),
    };
    return cmocka_run_group_tests_name("counting", tests, nullptr, nullptr);
}
