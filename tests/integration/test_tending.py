"""Many clients on kept connections: workers answer light requests of several of them in turn. What is more than light holds
up none of the others, and no request is lost or answered twice."""
import os
import re
import shutil
import signal
import subprocess
from contextlib import contextmanager

import pytest

from itk2_testing import accounts
from itk2_testing.client import Who, request
from itk2_testing.sites import static_content
from itk2_testing.waiting import poll

ENOUGH = max(8, len(os.sched_getaffinity(0)))  # workers, for any of them to tend
LIMITS = {"StartServers": 1, "MinSpareServers": 2, "MaxSpareServers": 4, "ServerLimit": ENOUGH,
          "MaxRequestWorkers": ENOUGH}
MANY = 12 * ENOUGH


def tending_workers(server):
    """Those with an epoll set, which a worker makes for what it tends."""
    found = []
    for process in server.in_role("worker"):
        folder = f"/proc/{process.pid}/fd"
        try:
            if any("eventpoll" in os.readlink(f"{folder}/{name}") for name in os.listdir(folder)):
                found.append(process)
        except FileNotFoundError:
            continue
    return found


def ask_at_once(connections, path="/who.txt", site="v0.test"):
    for connection in connections:
        connection.send(request(path, site))
    for connection in connections:
        assert connection.answer().body == static_content(accounts.account(0)).encode()


@contextmanager
def kept(server, count=MANY):
    """Connections whose requests are answered in turn: so many ask at once that there are as many workers as it takes,
    however fast these are."""
    connections = [server.connect() for _ in range(count)]

    def are_tended():
        ask_at_once(connections)
        return tending_workers(server)
    poll(are_tended, "nobody tends")
    yield connections
    for connection in connections:
        connection.close()


@contextmanager
def load(server, seconds, clients=64):
    """wrk beside what is tested: no connection of its own may fail, nor any answer."""
    wrk = subprocess.Popen(["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "-H", "Host: v0.test",
                            f"http://127.0.0.1:{server.ports['http']}/who.txt"], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
    try:
        yield
        said = wrk.communicate(timeout=seconds + 60)[0]
    finally:
        wrk.kill()
        wrk.wait()
    assert wrk.returncode == 0 and "Socket errors" not in said and "Non-2xx" not in said, said
    assert int(re.search(r"(\d+) requests in", said).group(1)) > 0


@pytest.mark.parametrize("path", ("/wait.php", "/wait.txt"), ids=("told-by-its-name", "told-by-its-handler"))
def test_slow_php_requests_hold_up_none_of_those_kept_with_them(servers, kind, path):
    sites = servers.user_sites(1, lines=("<Files wait.txt>", "SetHandler application/x-httpd-php", "</Files>"))
    user = accounts.account(0)
    script = servers.tree.docroot(user) / "wait.txt"
    shutil.copy(script.with_suffix(".php"), script)
    os.chown(script, user.uid, user.gid)
    server = servers.start(kind, sites=sites, limits=LIMITS)
    with kept(server) as connections:
        signs = server.directory / "signs"
        signs.mkdir()
        signs.chmod(0o1777)
        slow, others = connections[:3], connections[3:]
        for number, connection in enumerate(slow):
            connection.send(request(f"{path}?started={signs}/started{number}&go={signs}/go", "v0.test"))
        for _ in range(5):
            ask_at_once(others)
        poll(lambda: len(list(signs.iterdir())) == len(slow), "the scripts do not begin")
        for _ in range(5):
            ask_at_once(others)
        (signs / "go").touch()
        assert {connection.answer().status for connection in slow} == {200}
        ask_at_once(connections)
    script.unlink()


def test_body_that_comes_slowly_holds_up_none_of_those_kept_with_it(servers, kind):
    server = servers.start(kind, 1, limits=LIMITS)
    with kept(server) as connections:
        slow, others = connections[:3], connections[3:]
        for connection in slow:
            connection.send(b"GET /who.txt HTTP/1.1\r\nHost: v0.test\r\nContent-Length: 2\r\n\r\nx")
        for _ in range(5):
            ask_at_once(others)
        for connection in slow:
            connection.send(b"y")
            assert connection.answer().status == 200


def test_pipelined_requests_are_answered_in_order_between_those_of_others(servers, kind):
    server = servers.start(kind, 1, limits=LIMITS)
    expected = static_content(accounts.account(0)).encode()
    with kept(server) as connections:
        for _ in range(5):
            for connection in connections:
                connection.send(request("/who.txt", "v0.test") + request("/who.php", "v0.test") +
                                request("/none.txt", "v0.test") + request("/who.txt", "v0.test")[:20])
            for connection in connections:
                assert connection.answer().body == expected
                assert Who.of(connection.answer()).is_account(accounts.account(0))
                assert connection.answer().status == 404
                connection.send(request("/who.txt", "v0.test")[20:])
                assert connection.answer().body == expected


def test_clients_that_ask_twice_at_once_are_tended_as_before(servers, kind):
    """What has come behind a head is not read with it, so that httpd does not have to be let go on with it."""
    server = servers.start(kind, 1, limits=LIMITS, lines=("KeepAliveWait 1000",))
    expected = static_content(accounts.account(0)).encode()
    with kept(server) as connections:
        def all_are_tended():
            ask_at_once(connections)
            return server.held_by_workers() == len(connections)
        poll(all_are_tended, lambda: f"workers hold {server.held_by_workers()} of {len(connections)}")
        for connection in connections:
            connection.send(2 * request("/who.txt", "v0.test"))
            assert [connection.answer().body for _ in range(2)] == 2 * [expected]
        assert server.held_by_workers() == len(connections)
        connections[0].send(request("/who.php", "v0.test")).answer()
        poll(lambda: server.held_by_workers() < len(connections), "a script's request is not given back: this would show")


def test_half_a_head_and_another_host_and_an_end_are_as_ever(servers, kind):
    server = servers.start(kind, 2, limits=LIMITS)
    with kept(server) as connections:
        half, other, ended, pipelined = connections[:4]
        half.send(b"GET /who.txt HTTP/1.1\r\nHost: v0")
        other.send(request("/who.txt", "v1.test"))
        ended.shut()
        pipelined.send(request("/who.php", "v0.test") + request("/who.txt", "v0.test") + request("/none", "v0.test"))
        ask_at_once(connections[4:])
        assert other.ended_without_bytes() and ended.ended_without_bytes()
        assert Who.of(pipelined.answer()).is_account(accounts.account(0))
        assert [pipelined.answer().status for _ in range(2)] == [200, 404]
        half.send(b".test\r\n\r\n")
        assert half.answer().status == 200


def test_max_keep_alive_requests_counts_those_answered_in_turn(servers, kind):
    server = servers.start(kind, 1, limits=LIMITS, lines=("MaxKeepAliveRequests 20",))
    with kept(server) as connections:
        for connection in connections:
            answers = 0
            while connection.send(request("/who.txt", "v0.test")).answer().keeps():
                answers += 1
            assert answers < 20 and connection.ended_without_bytes()
            break


def test_another_site_gets_one_of_the_workers_that_tend(servers, kind):
    server = servers.start(kind, 2, limits=LIMITS)
    with load(server, 4), kept(server):
        for _ in range(5):
            assert Who.of(server.get("/who.php", "v1.test")).is_account(accounts.account(1))


def test_graceful_restart_loses_no_request_that_is_answered_in_turn(servers, kind):
    server = servers.start(kind, 1, limits=LIMITS)
    with load(server, 6):
        for _ in range(3):
            with kept(server):
                old = {process.pid for process in server.in_role("worker")}
                server.graceful()
                poll(lambda: not old & {process.pid for process in server.in_role("worker")}, "an old worker stays")


def test_graceful_stop_answers_what_was_asked(servers, kind):
    server = servers.start(kind, 1, limits=LIMITS)
    with kept(server) as connections:
        for connection in connections:
            connection.send(request("/who.txt", "v0.test"))
        os.kill(server.master.pid, signal.SIGWINCH)
        whole = [connection.rest() for connection in connections]
        assert all(not answer or answer.endswith(static_content(accounts.account(0)).encode()) for answer in whole)
    poll(lambda: not server.master.alive(), "does not stop")
