"""Clients that read slowly hold no worker: others are answered, and what is still to be sent comes whole."""
import os
import random
import select
import signal
import threading

import pytest

from itk2_testing import accounts
from itk2_testing.client import Connection, Who, fingerprint, request
from itk2_testing.waiting import poll

FEW = {"StartServers": 1, "MinSpareServers": 1, "MaxSpareServers": 2, "ServerLimit": 4, "MaxRequestWorkers": 4}
LARGE = random.Random(5).randbytes(10 << 20)


def large_sites(servers, count=1):
    sites = servers.user_sites(count)
    for user in accounts.accounts(count):
        path = servers.tree.docroot(user) / "large.bin"
        if not path.exists():
            path.write_bytes(LARGE)
            os.chown(path, user.uid, user.gid)
    return sites


class SlowReader(Connection):
    """Asks for a large file, and reads nothing of it but the head before it is told to."""

    def __init__(self, server, path="/large.bin", close=False, tls=False):
        super().__init__(server.ports["https" if tls else "http"], tls=tls, sni="v0.test")
        self.send(request(path, "v0.test", close=close))
        self.begun = self._head()
        assert self.begun.status == 200

    def finish(self):
        return self._exactly(int(self.begun.header("Content-Length")))


def is_cut(reader):
    """Whether the connection ends before all of the answer has come."""
    have = len(reader.rest())
    return have < len(LARGE)


@pytest.mark.parametrize("tls", (False, True), ids=("plain", "tls"))
def test_200_slow_readers_leave_the_workers_to_others(servers, kind, tls):
    server = servers.start(kind, sites=large_sites(servers), limits=FEW)
    readers = [SlowReader(server, close=number % 2 == 0, tls=tls) for number in range(200)]
    assert len(server.in_role("worker")) <= FEW["MaxRequestWorkers"]
    for _ in range(50):
        assert Who.of(server.get("/who.php", "v0.test")).is_account(accounts.account(0))
    found = {}
    parts = [readers[start::4] for start in range(4)]

    def read(part):
        for reader in part:
            found[reader] = fingerprint(reader.finish())
    threads = [threading.Thread(target=read, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert server.get("/who.php", "v0.test").status == 200
    assert set(found.values()) == {fingerprint(LARGE)} and len(found) == 200
    for number, reader in enumerate(readers):
        if number % 2 == 0:
            assert reader.ended_without_bytes()
        else:
            assert Who.of(reader.get("/who.php", "v0.test")).is_account(accounts.account(0))
        reader.close()


def test_slow_reader_of_one_site_does_not_count_as_idle_for_max_clients_vhost(servers, kind):
    sites = large_sites(servers, 2)
    sites[0].lines = (*sites[0].lines, "MaxClientsVHost 1")
    server = servers.start(kind, sites=sites)
    server.allow("MaxClientsVhost reached for v0")
    reader = SlowReader(server)
    assert server.get("/who.txt", "v0.test").status == 503
    assert server.get("/who.txt", "v1.test").status == 200
    assert fingerprint(reader.finish()) == fingerprint(LARGE)
    poll(lambda: server.get("/who.txt", "v0.test").status == 200, "still refuses")
    reader.close()


def test_pipelined_request_behind_a_large_answer_is_answered(servers, kind):
    server = servers.start(kind, sites=large_sites(servers), limits=FEW)
    with SlowReader(server) as reader:
        reader.send(request("/who.php", "v0.test") + request("/large.bin", "v0.test"))
        assert server.get("/who.txt", "v0.test").status == 200
        assert fingerprint(reader.finish()) == fingerprint(LARGE)
        assert Who.of(reader.answer()).is_account(accounts.account(0))
        assert fingerprint(reader.answer().body) == fingerprint(LARGE)


def test_reader_that_reads_nothing_for_timeout_is_cut(servers, kind):
    server = servers.start(kind, sites=large_sites(servers), limits=FEW, lines=("Timeout 2",))
    stuck = [SlowReader(server) for _ in range(8)]
    poll(lambda: len(established(server)) == 0, lambda: f"still there: {established(server)}")
    assert all(is_cut(reader) for reader in stuck)
    assert server.get("/who.txt", "v0.test").status == 200


def established(server):
    """Clients to which the server has not shut its end down."""
    return list(server.client_ends("01"))


def test_graceful_restart_lets_slow_readers_finish(servers, kind):
    sites = large_sites(servers, 2)
    server = servers.start(kind, sites=sites, limits=FEW | {"PoolMaxWorkers": 3})
    readers = [SlowReader(server) for _ in range(20)]
    old = {process.pid for process in server.in_role("worker")}
    server.graceful()
    assert Who.of(server.get("/who.php", "v1.test")).is_account(accounts.account(1))
    for reader in readers:
        assert fingerprint(reader.finish()) == fingerprint(LARGE)
    for reader in readers:
        assert Who.of(reader.get("/who.php", "v0.test")).pid not in old
        reader.close()
    poll(lambda: not old & {process.pid for process in server.in_role("worker")}, "an old worker stays")


def test_worker_that_others_need_sends_what_it_owes_before_it_ends(servers, kind):
    server = servers.start(kind, sites=large_sites(servers, 3), limits=FEW | {"ServerLimit": 1, "MaxRequestWorkers": 1})
    reader = SlowReader(server)
    with server.connect() as other:
        other.send(request("/who.php", "v1.test"))
        assert select.select([other.socket], [], [], 0.5)[0] == [], "answered while the only worker was another's"
        assert fingerprint(reader.finish()) == fingerprint(LARGE)
        assert Who.of(other.answer()).is_account(accounts.account(1))
    reader.close()


def test_stop_does_not_wait_for_slow_readers(servers, kind):
    server = servers.start(kind, sites=large_sites(servers), limits=FEW)
    readers = [SlowReader(server) for _ in range(8)]
    server.stop()
    assert all(is_cut(reader) for reader in readers)


def test_killed_listener_takes_slow_readers_along(servers, kind):
    server = servers.start(kind, sites=large_sites(servers), limits=FEW)
    server.allow("ITK2102: listener", "ITK2301: ")
    reader = SlowReader(server)
    old = {process.pid for process in server.in_role("worker")}
    for process in server.in_role("listener"):
        os.kill(process.pid, signal.SIGKILL)
    # Until its worker has seen that, the reader could read all of it.
    poll(lambda: not old & {process.pid for process in server.in_role("worker")}, "an orphaned worker stays")
    assert is_cut(reader)
    poll(lambda: server.get("/who.txt", "v0.test").status == 200, "no new listener")
