"""What server-status says beyond httpd's own: where the connections are that listeners hold, which virtual hosts' wait
for a worker, and what is kept for users who have none. Who is shown others' requests is shown that too, and nobody else."""
import re
from pathlib import Path

import pytest

from itk2_testing import accounts
from itk2_testing.client import request
from itk2_testing.configuration import Site
from itk2_testing.crowd import Crowd
from itk2_testing.waiting import poll
from itk2_testing.waiting_script import RunningRequest

READER = "all.test"


@pytest.fixture
def sites(servers, tree):
    """Two sites, whose users see themselves, and httpd's User, who sees all."""
    return [Site(READER, tree.shared), *servers.user_sites(2)]


def undecided(tree, user, name):
    """A site that is this user's, as only a request tells."""
    return Site(name, tree.docroot(user), "", (f"<Location />\nAssignUserID {user.name} {user.name}\n</Location>",))


def page(server, site=READER):
    answer = server.get("/server-status", site)
    assert answer.status == 200, answer
    return answer.body.decode()


def counts(server, site=READER):
    """{word: number} of what is said with ?auto; who asks has a connection as well, which is busy."""
    answer = server.get("/server-status?auto", site)
    assert answer.status == 200, answer
    return {word: int(number) for word, number in re.findall(r"^(\w+): (\d+)$", answer.body.decode(), re.M)}


def await_counts(server, expected):
    poll(lambda: expected.items() <= counts(server).items(), lambda: f"not {expected} but {counts(server)}")


def await_held(server, head=0, idle=0, queued=0, busy=1, closing=0):
    """Until so many connections are in each state; who asks has the one that is busy."""
    words = {"Head": head, "Idle": idle, "Queued": queued, "Busy": busy, "Closing": closing}
    await_counts(server, {f"ListenerConns{word}": number for word, number in words.items()} |
                 {"ListenerConns": sum(words.values())})


def await_kept(server, identities):
    await_counts(server, {"KeptIdentities": identities} | ({} if identities else {"KeptMemory": 0}))


def listeners_rows(server):
    table = page(server).split("<h2>Connections</h2>", 1)[1].split("</table>", 1)[0]
    return [tuple(map(int, re.findall(r"<td>(\d+)</td>", row))) for row in table.split("<tr>")[2:]]


def vhosts(server):
    """{virtual host: (user, with a worker, waiting for one)}, as they are listed."""
    rows = re.findall(r"<tr><td>([a-z0-9.]+):\d+</td><td>([^<]*)</td><td>(\d+)</td><td>(\d+)</td></tr>", page(server))
    return {name: (user, int(busy), int(queued)) for name, user, busy, queued in rows}


def test_each_connection_is_counted_where_it_is(servers, kind, sites):
    server = servers.start(kind, sites=sites, lines=("PoolMaxWorkers 1",),
                           limits={"KeepAliveTimeout": 300, "Timeout": 300})
    await_held(server)
    with Crowd(server, 30, stalled=False) as idle, Crowd(server, 20, stalled=True) as stalled:
        idle.gather()
        stalled.gather()
        await_held(server, idle=30, head=20)
        running = [RunningRequest(server) for _ in range(4)]
        await_held(server, idle=30, head=20, queued=3, busy=2)
        shown = vhosts(server)
        user = accounts.account(0).name
        assert shown == {"v0.test": (user, 1, 3), READER: ("www-data", 1, 0)}, shown
        assert list(shown) == ["v0.test", READER], "where most wait does not come first"
        assert [one.let_go().answer().status for one in running] == [200] * 4
        for one in running:
            one.connection.close()
        await_held(server, idle=30, head=20)
    await_held(server)


def test_a_graceful_restart_goes_on_counting_idle_connections(servers, kind, sites):
    server = servers.start(kind, sites=sites, limits={"KeepAliveTimeout": 300})
    with Crowd(server, 10, stalled=False) as idle:
        idle.gather()
        await_held(server, idle=10)
        server.graceful()
        await_held(server, idle=10)
        idle.ask_all_again()
        await_held(server, idle=10)


def test_each_listener_has_a_line_and_the_sum_is_of_all(servers, kind, sites):
    server = servers.start(kind, sites=sites, lines=("ListenerProcesses 3",), limits={"KeepAliveTimeout": 300})
    with Crowd(server, 60, stalled=False) as idle:
        idle.gather()
        await_held(server, idle=60)
        rows = listeners_rows(server)
        assert [row[0] for row in rows] == [0, 1, 2]
        assert sum(row[2] for row in rows) == 60 and all(row[2] > 0 for row in rows), rows


def test_a_site_is_shown_none_of_it(servers, kind, sites):
    server = servers.start(kind, sites=sites)
    assert "ListenerConns" in counts(server) and "<h2>Connections</h2>" in page(server), "the control"
    assert "ListenerConns" not in counts(server, "v0.test")
    assert "<h2>Connections</h2>" not in page(server, "v0.test") and READER not in page(server, "v0.test")


def test_who_becomes_a_user_by_its_request_is_shown_what_that_user_may_see(servers, kind, tree):
    further = [undecided(tree, user, f"undecided{number}.test") for number, user in enumerate(accounts.accounts()[1:3])]
    server = servers.start(kind, sites=[*servers.user_sites(1), *further],
                           lines=(f"ShowStatusTo {accounts.account(1).name}",))
    assert "ListenerConns" in counts(server, "undecided0.test")
    assert "ListenerConns" not in counts(server, "undecided1.test")
    with server.connect() as connection:
        connection.send(request("/server-status", "undecided0.test"))
        shown = connection.answer().body.decode()
    assert re.search(r"<td>undecided0[.]test:\d+</td><td>by request</td><td>1</td><td>0</td>", shown), shown


def test_who_is_of_the_last_generation_is_shown_none_of_the_next_ones(servers, kind, tree):
    """Its virtual hosts are not those that are counted. A parser has it in hand when the server is restarted: its client
    has said hello and nothing more."""
    user = accounts.account(1)
    server = servers.start(kind, sites=[*servers.user_sites(1), undecided(tree, user, "undecided.test")],
                           lines=(f"ShowStatusTo {user.name}",))
    with server.connect(tls=True, sni="undecided.test") as connection:
        server.plan.sites.insert(0, Site("new.test", tree.shared))
        server.write_config()
        server.graceful()
        connection.send(request("/server-status?auto", "undecided.test"))
        answer = connection.answer()
        assert answer.status == 200 and b"ServerUptime" in answer.body and b"ListenerConns" not in answer.body, answer
    assert "ListenerConns" in counts(server, "undecided.test"), "the control: one of this generation"


def mapped_counters(process):
    """The permissions of the listeners' counters in this process, and whether they could become others."""
    text = Path(f"/proc/{process.pid}/smaps").read_text()
    found = re.findall(r"^[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ \d+ +/memfd:itk2 counters.*?^VmFlags: ([^\n]*)", text,
                       re.M | re.S)
    return [(permissions, "mw" in flags.split()) for permissions, flags in found]


def test_counters_are_written_by_listeners_alone(servers, kind, sites):
    server = servers.start(kind, sites=sites)
    running = [RunningRequest(server, "v0.test"), RunningRequest(server, "v1.test")]
    site_workers = {one.begun() for one in running}
    assert counts(server)
    (reader,) = [worker for worker in server.in_role("worker") if worker.pid not in site_workers]
    assert mapped_counters(reader) == [("r--s", False)]
    assert [mapped_counters(listener) for listener in server.in_role("listener")] == [[("rw-s", True)]], "the control"
    for process in server.processes():
        if process != reader and server.role(process) != "listener":
            assert mapped_counters(process) == [], process.title()
        if process != server.master:
            assert not [file for file in process.descriptors().values() if "itk2 counters" in file], process.title()
    for one in running:
        one.finish()


def test_what_is_kept_for_users_without_a_worker_is_shown(servers, kind, sites):
    server = servers.start(kind, sites=sites, limits={"WorkerIdleTimeout": 1})
    assert server.get("/who.php", "v0.test").status == 200
    await_kept(server, 1)
    assert 1 < counts(server)["KeptMemory"] < 64 << 10, "not some of the KiB of one identity's caches"
    assert re.search(r"caches of 1, \d+ kB", page(server))
    assert server.get("/who.php", "v0.test").status == 200
    await_kept(server, 0)
    server.graceful()
    await_kept(server, 0)
