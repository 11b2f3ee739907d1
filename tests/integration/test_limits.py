"""Limits: clients of a site, workers and queue of a pool, the life of a worker, idle pools, nice values."""
import os
import signal

import pytest

from itk2_testing import accounts, proc
from itk2_testing.client import Who, request, tls_context
from itk2_testing.load import Load
from itk2_testing.waiting import poll
from itk2_testing.waiting_script import RunningRequest


def test_max_clients_vhost_refuses_with_503_and_its_log_line(servers, kind):
    server = servers.start(kind, sites=servers.user_sites(2, lines=("MaxClientsVHost 2",)))
    busy = [RunningRequest(server), RunningRequest(server)]
    for running in busy:
        running.begun()
    answer = server.get("/who.txt", "v0.test")
    assert answer.status == 503 and not answer.keeps()
    server.expect(rf"MaxClientsVhost reached for v0\.test:(?:{server.ports['http']}|80|0), refusing client\.")
    assert server.get("/who.txt", "v1.test").status == 200
    assert [running.finish().status for running in busy] == [200, 200]
    poll(lambda: server.get("/who.txt", "v0.test").status == 200, "still refuses")


def test_max_clients_vhost_is_inherited_and_does_not_count_idle_connections(servers, kind):
    """Set for the whole server, it limits each site that says nothing, also one with other directives of ours."""
    server = servers.start(kind, 2, lines=("MaxClientsVHost 1",))
    server.allow("MaxClientsVhost reached for v0")
    idle = [server.connect() for _ in range(5)]
    assert {connection.get("/who.txt", "v0.test").status for connection in idle} == {200}
    running = RunningRequest(server)
    running.begun()
    assert server.get("/who.txt", "v0.test").status == 503
    assert running.finish().status == 200
    for connection in idle:
        connection.close()


def test_max_clients_vhost_holds_over_all_listeners(servers, kind):
    """Each new connection comes to one of the listeners by its source port. The last one counts until its worker has said
    that it is done: the limit has room for some of these."""
    server = servers.start(kind, sites=servers.user_sites(2, lines=("MaxClientsVHost 8",)),
                           lines=("ListenerProcesses 3",))
    for graceful in (False, True):
        if graceful:
            server.graceful()
        busy = [RunningRequest(server) for _ in range(8)]
        for running in busy:
            running.begun()
        assert [server.get("/who.txt", "v0.test").status for _ in range(40)] == [503] * 40
        server.expect(r"MaxClientsVhost reached for v0\.test:\d+, refusing client\.")
        assert [server.get("/who.txt", "v1.test").status for _ in range(40)] == [200] * 40
        assert busy.pop().finish().status == 200
        poll(lambda: server.get("/who.txt", "v0.test").status == 200, "still refuses")
        while busy:
            assert busy.pop().finish().status == 200
    assert [server.get("/who.txt", "v0.test").status for _ in range(40)] == [200] * 40


def test_clients_of_a_killed_listener_do_not_count_against_max_clients_vhost(servers, kind):
    server = servers.start(kind, sites=servers.user_sites(1, lines=("MaxClientsVHost 2",)),
                           lines=("ListenerProcesses 2",))
    server.allow("MaxClientsVhost reached for v0", "ITK2102: listener", "ITK2301: ")
    lost = [RunningRequest(server), RunningRequest(server)]
    for running in lost:
        running.begun()
    assert server.get("/who.txt", "v0.test").status == 503
    listeners = {process.pid for process in server.in_role("listener")}
    for pid in listeners:
        os.kill(pid, signal.SIGKILL)
    poll(lambda: len({process.pid for process in server.in_role("listener")} - listeners) == 2, "no new listeners")

    def begun():
        running = RunningRequest(server)
        running.begun()
        return running
    busy = [begun(), begun()]
    assert server.get("/who.txt", "v0.test").status == 503
    assert [running.finish().status for running in busy] == [200, 200]
    for running in lost:
        running.close()


def test_nice_value_is_the_workers(servers, kind):
    sites = servers.user_sites(3)
    sites[0].lines, sites[1].lines = ("NiceValue 7",), ("NiceValue -3",)
    server = servers.start(kind, sites=sites)
    for site, nice in (("v0.test", 7), ("v1.test", -3), ("v2.test", 0)):
        assert proc.Process.of(Who.of(server.get("/who.php", site)).pid).nice() == nice


@pytest.mark.holds_for("prefork")
def test_max_connections_per_child_ends_a_worker_after_as_many_connections(servers, kind):
    server = servers.start(kind, 1, lines=("MaxConnectionsPerChild 5",))
    served = {}
    for _ in range(60):
        pid = Who.of(server.get("/who.php")).pid
        served[pid] = served.get(pid, 0) + 1
    assert max(served.values()) <= 5 and len(served) >= 12


def test_no_request_is_lost_when_workers_end_after_few_connections(servers, kind):
    server = servers.start(kind, 4, lines=("MaxConnectionsPerChild 3",))
    assert Load(server, clients=4, requests=2000).run().failures == []


def test_idle_workers_end_and_pools_go_down_to_zero(servers, kind):
    server = servers.start(kind, 6, limits={"WorkerIdleTimeout": 1})
    assert Load(server, clients=4, requests=400).run().failures == []
    server.await_no_worker()
    assert Who.of(server.get("/who.php", "v3.test")).is_account(accounts.account(3))


def test_worker_with_a_parked_tls_connection_is_not_idle_before_its_keepalive_timeout(servers, kind):
    server = servers.start(kind, 1, limits={"WorkerIdleTimeout": 1}, lines=("KeepAliveTimeout 20",))
    with server.connect(tls=True, sni="v0.test") as parked:
        first = Who.of(parked.get("/who.php", "v0.test"))
        plain = server.connect()
        assert plain.get("/who.txt", "v0.test").status == 200
        poll(lambda: len(server.in_role("worker")) == 1, "the other worker stays")
        assert Who.of(parked.get("/who.php", "v0.test")).pid == first.pid
        assert plain.get("/who.txt", "v0.test").status == 200
        plain.close()


def test_full_queue_is_answered_503_with_retry_after(servers, kind):
    server = servers.start(kind, 2, lines=("PoolMaxWorkers 1", "PoolQueueLimit 2", "PoolQueueTimeout 60"))
    running = RunningRequest(server)
    running.begun()
    waiting = [server.connect(timeout=60).send(request("/who.txt", "v0.test", close=True)) for _ in range(8)]
    server.expect("ITK2502: ")
    assert server.get("/who.txt", "v1.test").status == 200
    assert running.finish().status == 200
    answers = [connection.answer() for connection in waiting]
    assert sorted(answer.status for answer in answers) == [200] * 2 + [503] * 6
    assert all(int(answer.header("Retry-After")) > 0 and not answer.keeps() for answer in answers
               if answer.status == 503)


def test_waiting_longer_than_the_queues_deadline_is_answered_503_with_retry_after(servers, kind):
    server = servers.start(kind, 2, lines=("PoolMaxWorkers 1", "PoolQueueTimeout 1"))
    running = RunningRequest(server)
    running.begun()
    answer = server.get("/who.txt", "v0.test")
    assert answer.status == 503 and int(answer.header("Retry-After")) > 0
    server.expect("ITK2503: ")
    with server.connect_to(server.ports["https"]) as tls:
        with pytest.raises(OSError):
            tls_context().wrap_socket(tls.socket, server_hostname="v0.test")
    assert running.finish().status == 200
    assert server.get("/who.txt", "v0.test").status == 200


def test_hammered_pool_delays_no_other(servers, kind):
    """One site's queue is full and its workers are all busy; the others' requests are all answered meanwhile."""
    server = servers.start(kind, 5, lines=("PoolMaxWorkers 3", "PoolQueueLimit 20", "PoolQueueTimeout 60"))
    server.allow("ITK2502: ")
    busy = [RunningRequest(server) for _ in range(3)]
    for running in busy:
        running.begun()
    waiting = [server.connect(timeout=60).send(request("/who.txt", "v0.test", close=True)) for _ in range(60)]
    assert Load(server, clients=4, requests=2000, first_site=1).run().failures == []
    assert [running.finish().status for running in busy] == [200] * 3
    assert sorted({connection.answer().status for connection in waiting}) == [200, 503]


def test_pool_never_has_more_workers_than_its_limit(servers, kind):
    server = servers.start(kind, 1, lines=("PoolMaxWorkers 3", "PoolQueueTimeout 60"))
    with Load(server, clients=8) as load:
        poll(lambda: len(server.in_role("worker")) == 3, "8 clients find fewer workers than there may be")
        for _ in range(100):
            assert len(server.in_role("worker")) <= 3
        assert load.stop().failures == []


def test_at_max_request_workers_an_idle_pool_gives_way_to_one_in_need(servers, kind):
    """10 sites, 3 workers in all: everybody is served."""
    server = servers.start(kind, 10, limits={"ServerLimit": 3, "MaxRequestWorkers": 3, "MaxSpareServers": 3,
                                             "MinSpareServers": 1, "StartServers": 1})
    server.allow("MaxRequestWorkers")
    for number in range(30):
        assert server.get("/who.txt", f"v{number % 10}.test").status == 200
        assert len(server.in_role("worker")) <= 3


def test_worker_is_ordered_from_the_spares_and_the_spares_are_made_up(servers, kind):
    server = servers.start(kind, 8, limits={"StartServers": 4, "MinSpareServers": 4, "MaxSpareServers": 6})
    spares = {process.pid for process in poll(lambda: len(server.in_role("spare")) >= 4 and server.in_role("spare"),
                                              "no spares at start")}
    assert Who.of(server.get("/who.php")).pid in spares, "the first worker was not a spare"
    for number in range(8):
        assert server.get("/who.txt", f"v{number}.test").status == 200
    poll(lambda: 4 <= len(server.in_role("spare")) <= 6, lambda: f"{len(server.in_role('spare'))} spares")


def test_several_listeners_share_the_work(servers, kind):
    server = servers.start(kind, 4, lines=("ListenerProcesses 3",))
    assert len(server.in_role("listener")) == 3
    assert Load(server, clients=4, requests=2000).run().failures == []
    server.graceful()
    assert len(server.in_role("listener")) == 3
    assert Load(server, clients=4, requests=1000).run().failures == []


def test_mod_status_shows_busy_requests_and_the_servers_name(servers, kind):
    server = servers.start(kind, 2)
    running = RunningRequest(server, "v1.test")
    pid = running.begun()
    page = server.get("/server-status").body.decode()
    assert str(pid) in page and "v1.test" in page and "/wait.php" in page
    status = server.server_status()
    assert int(status["BusyWorkers"]) >= 2 and "W" in status["Scoreboard"]
    assert running.finish().status == 200
