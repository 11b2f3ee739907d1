// Claims about a listener near its limit of open files.
#include "cmocka_for_cxx.h"
#include "fake_master.h"

#include <poll.h>

#include <vector>

using namespace itk2;
using namespace itk2::testing;

namespace {

constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
constexpr std::uint32_t limit = 90;
constexpr int more_than_fit = 40;

bool has_ended(const FakeClient &client) {
    pollfd watched{client.socket.get(), POLLIN | POLLRDHUP, 0};
    return poll(&watched, 1, 0) == 1;
}

// Clients whose connections are kept, one after the other; the newest one is always served.
std::vector<FakeClient> keep_more_than_fit(FakeMaster &master) {
    FakeWorker worker = master.add_worker(0);
    worker.serving();
    std::vector<FakeClient> clients;
    for (int i = 0; i < more_than_fit; i++) {
        FakeClient &client = clients.emplace_back(master.port());
        client.send(request);
        Taken taken = worker.take();
        FakeWorker::read_request(taken);
        worker.answer_and_keep(taken, "x");
        assert_string_equal(client.read(1).c_str(), "x");
    }
    master.await_notice(wire::NoticeCode::shed_idle);
    return clients;
}

void longest_idle_connection_is_shed_first(void **) {
    FakeMaster master(limit);
    master.configure({});
    const std::vector<FakeClient> clients = keep_more_than_fit(master);
    std::size_t open = 0;
    while (open < clients.size() && has_ended(clients[open])) open++;
    assert_in_range(open, 1, clients.size() - 1);
    for (; open < clients.size(); open++) assert_false(has_ended(clients[open]));
}

void silent_connection_outlives_idle_ones(void **) {
    FakeMaster master(limit);
    master.configure({});
    const FakeClient silent(master.port());
    const std::vector<FakeClient> clients = keep_more_than_fit(master);
    assert_true(has_ended(clients.front()));
    assert_false(has_ended(silent));
}

void connections_with_a_request_are_never_shed(void **) {
    FakeMaster master(limit);
    std::vector<FakeClient> clients;
    for (int i = 0; i < more_than_fit; i++) {
        clients.emplace_back(master.port());
        clients.back().send(request); // there before the listener accepts
    }
    master.configure({});
    master.await_notice(wire::NoticeCode::descriptors_short);
    FakeWorker worker = master.add_worker(0);
    worker.serving();
    for (int i = 0; i < more_than_fit; i++) { // all are served in the end
        Taken one = worker.take();
        FakeWorker::read_request(one);
        worker.answer_and_close(one, "answer");
    }
    for (FakeClient &client : clients) assert_string_equal(client.read_rest().c_str(), "answer");
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(longest_idle_connection_is_shed_first),
        cmocka_unit_test(silent_connection_outlives_idle_ones),
        cmocka_unit_test(connections_with_a_request_are_never_shed),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
