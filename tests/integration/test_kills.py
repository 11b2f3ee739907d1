"""kill -9 of a worker, of the listener, of the master, each under load."""
import os
import signal

import pytest

from itk2_testing import accounts, proc
from itk2_testing.client import Broken, Who, request
from itk2_testing.load import Load
from itk2_testing.waiting import poll
from itk2_testing.waiting_script import RunningRequest

WORKER_DIED = r"ITK2301: worker of itk2t000 .* ended unexpectedly"


def is_cut(running):
    """Whether the answer ended early, by FIN or reset."""
    try:
        running.answer()
    except (Broken, ConnectionResetError):
        return True
    return False


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_killed_worker_costs_only_the_request_it_was_serving(servers, kind, tls):
    server = servers.start(kind, 4)
    server.allow(WORKER_DIED)
    with Load(server, clients=4, first_site=1) as load:
        for _ in range(5):
            victim, other = RunningRequest(server, tls=tls), RunningRequest(server, tls=tls)
            os.kill(victim.begun(), signal.SIGKILL)
            other.begun()
            assert is_cut(victim)
            assert other.finish().status == 200
            assert Who.of(server.get("/who.php", tls=tls)).is_account(accounts.account(0))
            victim.close()
            other.close()
        totals = load.stop()
    assert totals.failures == [] and totals.requests > 0
    server.expect(WORKER_DIED)


def test_killed_idle_worker_costs_nothing(servers, kind):
    server = servers.start(kind, 1)
    server.allow(WORKER_DIED)
    kept = server.connect()
    for _ in range(10):
        worker = proc.Process.of(Who.of(kept.get("/who.php", "v0.test")).pid)
        poll(lambda: not worker.connections(), "the worker keeps the idle connection to itself")
        os.kill(worker.pid, signal.SIGKILL)
        poll(lambda: not worker.alive(), "a killed worker lives")
    server.expect(WORKER_DIED)
    kept.close()


def test_killed_spares_are_replaced_and_cost_nothing(servers, kind):
    server = servers.start(kind, 4, lines=("PoolMaxWorkers 1",))
    server.allow(r"ITK2202: spare", r"ITK2203: spares end at birth")
    for number in (1, 2, 3):  # no spare is ordered from now on, so that none that is killed has just become a worker
        assert server.get("/who.txt", f"v{number}.test").status == 200
    with Load(server, clients=2, first_site=1) as load:
        for _ in range(5):
            victims = poll(lambda: server.in_role("spare"), "no spare")
            os.kill(victims[0].pid, signal.SIGKILL)
            poll(lambda: not victims[0].alive(), "a killed spare lives")
        totals = load.stop()
    assert totals.failures == []
    assert Who.of(server.get("/who.php", "v0.test")).is_account(accounts.account(0))
    server.expect(r"ITK2202: spare")


def test_killed_listener_is_replaced_and_running_requests_are_answered(servers, kind):
    server = servers.start(kind, 4)
    server.allow(r"ITK2102: listener", r"ITK2301: ")
    running = RunningRequest(server)
    running.begun()
    with Load(server, clients=4, first_site=1) as load:
        poll(lambda: server.in_role("worker"), "no worker")
        victim = server.in_role("listener")[0]
        os.kill(victim.pid, signal.SIGKILL)

        def served_again():
            try:
                return server.get("/who.txt", "v1.test").status == 200
            except (OSError, Broken):
                return False
        poll(served_again, "nobody is served after the listener was killed")
        load.stop()  # what was idle or waiting in the listener is lost: its failures are expected
    assert [one.pid for one in server.in_role("listener")] != [victim.pid]
    server.expect(r"ITK2102: listener")
    assert running.finish().status == 200
    assert Load(server, clients=4, requests=400).run().failures == []


def test_killed_master_takes_every_process_with_it(servers, kind):
    server = servers.start(kind, 8)
    server.allow(r"ITK2401: spare .* step parent-gone failed")  # of one that was being born
    running = RunningRequest(server)
    running.begun()
    with Load(server, clients=4, first_site=1) as load:
        poll(lambda: len(server.in_role("worker")) >= 3, "no workers")
        server.remember()
        os.kill(server.master.pid, signal.SIGKILL)
        server.wait_until_gone()
        load.stop()
    with pytest.raises(ConnectionRefusedError):
        server.connect()
    running.close()
    server.pid_file.unlink()


def test_killed_master_takes_idle_workers_and_parked_connections_with_it(servers, kind):
    server = servers.start(kind, 2)
    parked = server.connect(tls=True, sni="v0.test")
    assert parked.get("/who.txt", "v0.test").status == 200
    kept = server.connect()
    assert kept.get("/who.txt", "v1.test").status == 200
    server.remember()
    os.kill(server.master.pid, signal.SIGKILL)
    server.wait_until_gone()
    assert kept.send(request("/who.txt", "v1.test")).rest() == b""
    parked.close()
    server.pid_file.unlink()


def test_listener_that_stops_reading_is_replaced_or_harmless_when_it_goes_on(servers, kind):
    """SIGSTOP for a while, then SIGCONT: everybody who waited is served."""
    server = servers.start(kind, 2)
    victim = server.in_role("listener")[0]
    os.kill(victim.pid, signal.SIGSTOP)
    waiting = [server.connect().send(request("/who.txt", "v1.test", close=True)) for _ in range(20)]
    os.kill(victim.pid, signal.SIGCONT)
    assert [connection.answer().status for connection in waiting] == [200] * 20
