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
        assert_text(client.read(1), "x");
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

// More clients than fit, whose requests are there before the listener accepts; it has said so when this returns.
std::vector<FakeClient> ask_more_than_fit(FakeMaster &master) {
    std::vector<FakeClient> clients;
    for (int i = 0; i < more_than_fit; i++) {
        clients.emplace_back(master.port());
        clients.back().send(request);
    }
    master.configure({});
    master.await_notice(wire::NoticeCode::descriptors_short);
    return clients;
}

void assert_all_are_served(std::vector<FakeClient> &clients, FakeWorker &worker) {
    for (std::size_t i = 0; i < clients.size(); i++) {
        Taken one = worker.take();
        FakeWorker::read_request(one);
        worker.answer_and_close(one, "answer");
    }
    for (FakeClient &client : clients) assert_text(client.read_rest(), "answer");
}

void connections_with_a_request_are_never_shed(void **) {
    FakeMaster master(limit);
    std::vector<FakeClient> clients = ask_more_than_fit(master);
    FakeWorker worker = serving_worker(master);
    assert_all_are_served(clients, worker);
}

bool has_lost_its_channel(const FakeWorker &worker) {
    pollfd watched{worker.channel.down.get(), POLLIN, 0};
    return poll(&watched, 1, 0) == 1 && (watched.revents & POLLHUP) != 0;
}

// Of 90 descriptors 64 are the master's, 8 the listener's own, and one its socket's; a connection takes one, its worker
// two.
void no_more_workers_are_asked_for_than_there_are_descriptors_for(void **) {
    FakeMaster master(limit);
    std::vector<FakeClient> clients = ask_more_than_fit(master);
    master.await_want(0, 5);
    std::vector<FakeWorker> workers;
    for (int i = 0; i < 5; i++) workers.push_back(master.add_worker(0));
    master.await_sign_of_life();
    for (FakeWorker &worker : workers) assert_false(has_lost_its_channel(worker));
}

void a_worker_too_many_is_lost_and_nobody_else(void **) {
    FakeMaster master(limit);
    std::vector<FakeClient> clients = ask_more_than_fit(master);
    FakeWorker first = serving_worker(master);
    std::vector<FakeWorker> others; // nobody asked for these
    for (std::uint32_t i = 0; i < limit; i++) others.push_back(master.add_worker(1));
    await_readable(others.back().channel.down.get());
    assert_true(has_lost_its_channel(others.back()));
    assert_false(has_lost_its_channel(others.front()));
    for (FakeWorker &other : others) other.die();
    assert_all_are_served(clients, first);
}

// Idle ones of others hold the descriptors that a worker for this one needs.
void an_idle_worker_of_another_identity_makes_room(void **) {
    FakeMaster master(limit);
    master.configure({});
    std::vector<FakeWorker> idle;
    for (int i = 0; i < 8; i++) idle.push_back(serving_worker(master, 1));
    master.await_sign_of_life();
    FakeClient client(master.port());
    client.send(request);
    idle.front().await_finish(wire::Finish::close_parked);
    idle.front().die();
    master.await_want(0, 2); // beside the sign of life
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(longest_idle_connection_is_shed_first),
        cmocka_unit_test(silent_connection_outlives_idle_ones),
        cmocka_unit_test(connections_with_a_request_are_never_shed),
        cmocka_unit_test(no_more_workers_are_asked_for_than_there_are_descriptors_for),
        cmocka_unit_test(a_worker_too_many_is_lost_and_nobody_else),
        cmocka_unit_test(an_idle_worker_of_another_identity_makes_room),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
