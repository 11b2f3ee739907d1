"""The server's status: each process writes what is its own, and sees of others only what it may."""
import os
import re
import signal

import pytest

from itk2_testing import accounts, proc
from itk2_testing.client import request
from itk2_testing.configuration import Plan, Site
from itk2_testing.waiting import poll
from itk2_testing.waiting_script import RunningRequest


@pytest.fixture
def server(servers, kind, tree):
    """Two sites, whose users see themselves, and httpd's User, who sees all."""
    return servers.start(kind, sites=[Site("all.test", tree.shared), *servers.user_sites(2)])


def status(server, site):
    answer = server.get("/server-status", site)
    assert answer.status == 200, answer
    return answer.body.decode()


def requests_in(page):
    """What is shown as the virtual host and request of each worker."""
    return re.findall(r"<td nowrap>([a-z0-9.]+):\d+</td><td nowrap>([^<]*)</td>", page)


def test_the_servers_user_sees_what_all_do_and_a_site_only_itself(server):
    running = RunningRequest(server, "v1.test")
    running.begun()
    all_see = requests_in(status(server, "all.test"))
    assert ("v1.test", True) in [(host, line.startswith("GET /wait.php")) for host, line in all_see], all_see
    own = requests_in(status(server, "v0.test"))
    assert own and {host for host, _ in own} == {"v0.test"}, own
    running.finish()


def test_a_worker_sees_those_that_come_after_it(server):
    """A reader's view is no picture of its birth."""
    assert requests_in(status(server, "all.test"))
    readers = {process.pid for process in server.in_role("worker")}
    running = [RunningRequest(server, site) for site in ("v0.test", "v1.test", "v1.test")]
    begun = {one.begun() for one in running}
    assert not begun & readers
    page = status(server, "all.test")
    assert begun <= {int(pid) for pid in re.findall(r"<td>(\d+)</td>", page)}
    assert sorted(host for host, line in requests_in(page) if "wait.php" in line) == ["v0.test", "v1.test", "v1.test"]
    for one in running:
        one.finish()


def test_who_has_died_is_shown_no_more(server):
    running = RunningRequest(server, "v1.test")
    pid = running.begun()
    os.kill(pid, signal.SIGKILL)
    server.allow("ITK2301", "ITK2302")
    running.close()

    def shown():
        answer = server.get("/server-status?auto", "all.test").body.decode()
        return re.search(r"Scoreboard: (\S+)", answer).group(1).replace(".", "")
    poll(lambda: shown() == "W", shown)


def test_counts_of_an_identity_outlive_its_workers(servers, kind):
    server = servers.start(kind, 1, limits={"MaxConnectionsPerChild": 1})
    for _ in range(20):
        assert server.get("/who.php", "v0.test").status == 200
    # Whoever tells it ends after it: were counts lost, they would not come together however often one asks.
    poll(lambda: int(server.server_status()["Total Accesses"]) >= 20, "counts are lost")


def pages_of(process):
    """Of the pages that hold a worker's own requests: which it can write, and which it can only read."""
    lines = [line.split() for line in process.maps().splitlines() if re.search(r" /\d+( \(deleted\))?$", line)]
    return {line[4] for line in lines if line[1] == "rw-s"}, {line[4] for line in lines if line[1] == "r--s"}


def test_each_worker_can_write_its_own_page_and_nobody_elses(server):
    running = [RunningRequest(server, site) for site in ("v0.test", "v0.test", "v1.test")]
    workers = [proc.Process.of(one.begun()) for one in running]
    assert status(server, "all.test")
    (reader,) = [process for process in server.in_role("worker") if process not in workers]
    written = {process: pages_of(process)[0] for process in (*workers, reader)}
    assert all(len(pages) == 1 for pages in written.values()), written
    assert len(set.union(*written.values())) == 4, "a page has two writers"
    for process in workers:
        assert pages_of(process)[1] == set(), "a site can read others' pages"
    assert pages_of(reader)[1] >= set.union(*(written[process] for process in workers)), "the control: a reader can"
    for process in (server.master, *server.in_role("spare")):
        assert pages_of(process) == (set(), set())
    for one in running:
        one.finish()


def test_the_master_has_no_memory_that_another_process_can_write(server):
    for site in ("all.test", "v0.test", "v1.test"):
        server.get("/server-status", site)
    others = set()
    for process in server.processes():
        others |= {tuple(line.split()[3:5]) for line in process.maps().splitlines() if re.match(r"\S+ .w.s ", line)}
    own = {tuple(line.split()[3:5]) for line in server.master.maps().splitlines() if re.match(r"\S+ ...s ", line)}
    assert others and not own & others


def test_restarts_begin_counts_anew_or_keep_them(server):
    for _ in range(10):
        server.get("/small.txt", "all.test")

    def accesses():
        return int(re.search(r"Total Accesses: (\d+)", server.get("/server-status?auto", "all.test").body.decode()).group(1))
    poll(lambda: accesses() >= 10, "requests are not counted")  # each is once its client has the answer
    server.graceful()
    assert accesses() >= 10
    server.hard_restart()
    assert accesses() < 10


def test_no_count_outlives_a_hard_restart_in_a_slot_that_nobody_has_taken_again(server):
    running = [RunningRequest(server, "v1.test") for _ in range(5)]
    for one in running:
        one.begun()
    assert [one.finish().status for one in running] == [200] * 5

    def accesses():
        return int(re.search(r"Total Accesses: (\d+)", server.get("/server-status?auto", "all.test").body.decode()).group(1))
    poll(lambda: accesses() >= 5, "the control: requests are not counted")
    server.hard_restart()
    assert accesses() == 0, "before its own is counted"
    assert requests_in(status(server, "all.test")) == [("all.test", "GET /server-status HTTP/1.1")]


@pytest.mark.parametrize("shown, sees", [("none", False), ("itk2t000", True), ("#30000", True)])
def test_who_is_shown_all_can_be_said(servers, kind, shown, sees):
    plan = Plan(kind, [Site("all.test", servers.tree.shared), *servers.user_sites(2)], lines=(f"ShowStatusTo {shown}",))
    server = servers.make(plan).start()
    running = RunningRequest(server, "v1.test")
    running.begun()
    assert ("v1.test" in dict(requests_in(status(server, "v0.test")))) == sees
    assert "v1.test" not in dict(requests_in(status(server, "all.test")))
    running.finish()


def test_a_user_there_is_not_can_be_shown_nothing(servers, kind):
    server = servers.make(Plan(kind, servers.user_sites(1), lines=("ShowStatusTo no-such-user",)))
    done = server.try_start()
    assert done.returncode != 0 and "ShowStatusTo" in done.stderr and "no-such-user" in done.stderr, done
    server.allow(".")


def test_requests_of_a_parser_are_seen_by_no_site(servers, kind, tree):
    user = accounts.account(1)
    undecided = Site("undecided.test", tree.docroot(user), "",
                     (f"<Location />\nAssignUserID {user.name} {user.name}\n</Location>",))
    server = servers.start(kind, sites=[Site("all.test", tree.shared), *servers.user_sites(1), undecided])
    with server.connect() as connection:
        connection.send(request("/who.php", "undecided.test"))
        assert connection.answer().status == 200
        assert {host for host, _ in requests_in(status(server, "v0.test"))} == {"v0.test"}
        assert "undecided.test" in dict(requests_in(status(server, "all.test")))
