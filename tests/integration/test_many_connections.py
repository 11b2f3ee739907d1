"""2,000 idle and 2,000 stalled connections on 400 workers keep nobody else from being served; prefork serves nobody."""
import re
import resource
import subprocess

import pytest

from itk2_testing.configuration import Plan
from itk2_testing.crowd import Crowd
from itk2_testing.load import Load, Mix
from itk2_testing.proc import connections
from itk2_testing.waiting import poll

LIMITS = {"ServerLimit": 400, "MaxRequestWorkers": 400}
CROWD = 2000

idle_and_stalled = pytest.mark.parametrize("stalled", [False, True], ids=["idle", "stalled-in-the-head"])


def throughput(server, seconds=3):
    """Answers to new connections per second, as wrk counts them; it counts only whole answers, and none may fail."""
    done = subprocess.run(["wrk", "-t1", "-c8", f"-d{seconds}s", "-H", "Host: v1.test", "-H", "Connection: close",
                           f"http://127.0.0.1:{server.ports['http']}/who.txt"], capture_output=True, text=True,
                          timeout=seconds + 60)
    assert done.returncode == 0, done.stderr
    assert "Non-2xx" not in done.stdout, done.stdout
    return float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout).group(1))


@idle_and_stalled
def test_2000_connections_keep_nobody_else_from_being_served(servers, kind, stalled):
    server = servers.start(kind, 4, limits=LIMITS)
    with Crowd(server, CROWD, stalled) as crowd:
        crowd.gather()
        assert Load(server, clients=4, requests=4000).run().failures == []
        if not stalled:
            crowd.ask_all_again()
        assert crowd.ended == 0


@pytest.mark.ratio
@idle_and_stalled
def test_2000_connections_leave_others_at_least_four_fifths_of_the_throughput(servers, kind, stalled):
    server = servers.start(kind, 2, limits=LIMITS)
    throughput(server, 1)
    alone, among = 0.0, 0.0
    for _ in range(3):
        alone += throughput(server)
        with Crowd(server, CROWD, stalled) as crowd:
            crowd.gather()
            among += throughput(server)
    print(f"{alone / 3:.0f}/s alone, {among / 3:.0f}/s among {CROWD}: {among / alone:.2f}")
    assert among / alone >= 0.8


@idle_and_stalled
def test_prefork_serves_nobody_in_the_same_situation(servers, stalled):
    """The control."""
    server = servers.start("prefork", 1, limits=LIMITS | {"StartServers": 400, "MaxSpareServers": 400})
    server.allow("AH00161: server reached MaxRequestWorkers", "AH0004[56]: child process .* still did not exit")
    with Crowd(server, CROWD, stalled) as crowd:
        crowd.gather(enough=400)
        with pytest.raises(TimeoutError):
            server.get("/who.txt", timeout=3)


def test_slow_body_holds_a_worker_of_its_own_site_only(servers, kind):
    server = servers.start(kind, 3, limits={"PoolMaxWorkers": 4, "PoolQueueTimeout": 20})
    slow = [server.connect().send(b"POST /who.php HTTP/1.1\r\nHost: v0.test\r\nContent-Length: 100\r\n\r\nx")
            for _ in range(40)]
    assert Load(server, clients=4, requests=2000, first_site=1).run().failures == []
    for connection in slow:
        connection.send(b"y" * 99)
    assert {connection.answer().status for connection in slow} == {200}


def test_at_the_descriptor_limit_the_oldest_idle_connections_make_room_for_new_ones(servers, kind):
    """A limit of 400 open files, 600 idle connections: none is refused, only idle ones end."""
    server = servers.make(Plan(kind, servers.user_sites(2), tls=False))
    server.allow("ITK2504: ", "ITK2506: ")
    server.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400)))
    with Crowd(server, 100, stalled=False) as oldest, Crowd(server, 500, stalled=False) as others:
        oldest.gather()
        # A worker may keep one for a moment after its answer, where it is not idle for the listener yet.
        poll(lambda: not connections(server.in_role("worker")), "workers hold answered connections")
        others.gather()
        assert Load(server, clients=4, requests=1000, first_site=1, mix=Mix(tls=0)).run().failures == []
        assert all(connection.recv(1) == b"" for connection in oldest.sockets.values()), "the oldest are still there"
    server.expect("ITK2504: ")
