"""Modules beside ours: one whose child_init ends every worker, protocols in which the server speaks first."""
import re
import time

import pytest

from itk2_testing import accounts
from itk2_testing.client import Broken, Who
from itk2_testing.compiling import Compiler
from itk2_testing.configuration import Plan, Site
from itk2_testing.instance import RESUMING
from itk2_testing.waiting import poll


@pytest.fixture(scope="session")
def compiled(tree):
    return Compiler(tree.root)


@pytest.mark.parametrize("status", ["1", "-1", "0"], ids=["exits", "aborts", "exits-with-success"])
def test_workers_that_die_at_birth_are_throttled_and_the_server_recovers(servers, kind, tree, compiled, status):
    count = tree.root / f"count{status}"
    count.touch()
    count.chmod(0o666)
    server = servers.start(kind, 2, load=(compiled("dies"),),
                           lines=(f"DieInChildInit {count} {status}", "PoolQueueTimeout 2"))
    server.allow(r"ITK2301", r"ITK2302", r"ITK2304", r"ITK2503", r"ITK2401", r"AH00052", r"ITK220[23]")

    def fails():
        """Whether this request got no service: 503, or the end of the connection."""
        try:
            return server.get("/who.txt", "v0.test").status >= 500
        except (Broken, OSError):
            return True
    end = time.monotonic() + 5
    while time.monotonic() < end:
        assert fails(), "served by a worker that cannot have been born"
    tried = len(count.read_bytes())
    assert 1 <= tried <= 100, f"{tried} workers in some 5 seconds"
    assert len(server.processes()) < 40
    server.expect(r"ITK2302: workers of itk2t000 end at birth")
    count.unlink()
    poll(lambda: not fails(), "does not recover once workers can be born")
    assert Who.of(server.get("/who.php", "v1.test")).is_account(accounts.account(1))


def test_server_that_speaks_first_is_given_the_connection_at_once(servers, kind, tree, compiled):
    user = accounts.account(3)
    greeter = Site("greets.test", tree.docroot(user), f"{user.name} {user.name}", ("Greets On",), port="@PORT0@")
    server = servers.start(kind, sites=[*servers.user_sites(1), greeter], load=(compiled("greets"),),
                           lines=("AcceptFilter greets none",),
                           listen=("127.0.0.1:@PORT0@ greets",))
    for _ in range(20):
        with server.connect_to(server.spare_ports[0]) as connection:
            greeting = connection.rest().decode()
        assert re.fullmatch(r"220 (\d+) \d+ greets you\r\n", greeting), greeting
        assert int(greeting.split()[1]) == user.uid
    assert server.get("/who.txt", "v0.test").status == 200


@pytest.mark.parametrize("lines, held", [(("DumpIOInput On", "LogLevel dumpio:trace7"), 1), ((), 0)],
                         ids=["unknown-filter", "control"])
def test_connection_with_an_unknown_filter_stays_with_its_worker(servers, kind, lines, held):
    """mod_dumpio's says nothing of what it keeps; it is unknown however often it has been met."""
    one = {"StartServers": 1, "MinSpareServers": 1, "MaxSpareServers": 1, "ServerLimit": 1, "MaxRequestWorkers": 1}
    sites = servers.user_sites(1)
    sites[0].lines = (*sites[0].lines, *lines)
    server = servers.make(Plan(kind, sites, modules=("dumpio",), limits=one, lines=("KeepAliveWait 0",))).start()
    server.allow("dumpio:trace7")
    with server.connect() as connection:
        for _ in range(3):
            assert connection.get("/who.txt", "v0.test").status == 200
            assert server.get("/who.txt", "v0.test").status == 200  # by a worker that has left the first one to rest
            poll(lambda: server.held_by_workers() <= held, "what has ended is still held")
            assert server.held_by_workers() == held


def test_mod_echo_works_as_its_sites_user(servers, kind, tree):
    user = accounts.account(2)
    echo = Site("echo.test", tree.docroot(user), f"{user.name} {user.name}", ("ProtocolEcho On",), port="@PORT0@")
    server = servers.start(kind, sites=[*servers.user_sites(1), echo], modules=("echo",),
                           lines=("AcceptFilter echo none",),
                           listen=("127.0.0.1:@PORT0@ echo",))
    with server.connect_to(server.spare_ports[0]) as connection:
        poll(lambda: any(process.status().uids[0] == user.uid for process in server.in_role("worker")),
             "no worker before the first byte")
        for line in (b"hello\r\n", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01 and more\r\n"):
            connection.send(line)
            heard = b""
            while len(heard) < len(line):
                heard += connection.socket.recv(100)
            assert heard == line


def with_inner_identity(servers):
    first, second = servers.user_sites(2)
    first.lines = (f"Alias /inner {second.docroot}", '<Location "/inner">', "AssignUserID itk2t001 itk2t001",
                   "</Location>")
    return [first]


@pytest.mark.parametrize("modules", [("http2",), ("proxy", "proxy_balancer", "slotmem_shm", "proxy_hcheck")],
                         ids=["http2", "hcheck"])
def test_modules_that_start_threads_wait_for_a_parsers_identity(servers, kind, modules):
    server = servers.start(kind, sites=with_inner_identity(servers), modules=modules)
    server.allow("AH10034|AH0")  # mod_http2 says that it does not serve under this MPM
    for number in range(3):
        assert Who.of(server.get("/inner/who.php", "v0.test")).is_account(accounts.account(1))
        assert Who.of(server.get("/who.php", "v0.test", tls=bool(number % 2))).is_account(accounts.account(0))


def test_module_whose_thread_would_keep_a_parsers_capabilities_is_named_and_nothing_starts(servers, kind, compiled):
    server = servers.make(Plan(kind, with_inner_identity(servers), load=(compiled("threads"),), tls=False))
    server.allow("ITK2214|ITK2401: parser|ITK2205|AH02818")
    server.try_start()
    poll(lambda: "ITK2205" in server.log() and not server.survivors(), lambda: f"it runs: {server.log()}")
    assert "ITK2214: mod_threads.c starts a thread" in server.log() and RESUMING not in server.log()


def test_no_request_is_served_by_a_parser_with_a_thread(servers, kind, compiled):
    """After a graceful restart, which is no moment to stop. Sites that need no parser are served."""
    inner = with_inner_identity(servers)[0]
    lines, inner.lines = inner.lines, ()
    sites = [inner, Site("v1.test", servers.tree.docroot(accounts.account(1)), "itk2t001 itk2t001")]
    server = servers.start(kind, sites=sites, load=(compiled("threads"),), tls=False, lines=("PoolQueueTimeout 1",))
    server.allow("ITK2214|ITK2401: parser|ITK2205|ITK2206|ITK2503")
    inner.lines = lines
    server.write_config()
    server.graceful()
    assert Who.of(server.get("/who.php", "v1.test")).is_account(accounts.account(1))
    assert server.get("/inner/who.php", "v0.test").status == 503
    assert "ITK2214: mod_threads.c starts a thread" in server.log()
