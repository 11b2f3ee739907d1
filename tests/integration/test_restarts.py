"""Restarts lose nothing: no request, no idle connection, no descriptor, process or slot."""
import os
import re
import signal
import time

import pytest

from itk2_testing import accounts
from itk2_testing.client import Who, request
from itk2_testing.configuration import Site, itk2_module
from itk2_testing.load import Load
from itk2_testing.proc import Process
from itk2_testing.waiting import poll
from itk2_testing.waiting_script import RunningRequest

RESTARTS = 50
QUIET = {"WorkerIdleTimeout": 1}  # pools are soon empty, so that what remains can be counted


def settled(server):
    """Waits until no worker is left; descriptors of master and listener, and processes, to compare later."""
    server.await_no_worker()
    listeners = server.in_role("listener")
    return {"master": len(server.master.descriptors()), "listener": sum(len(one.descriptors()) for one in listeners),
            "listeners": len(listeners), "processes": len(server.processes())}


def test_50_graceful_restarts_under_load_fail_no_request_and_leak_nothing(servers, kind):
    server = servers.start(kind, 20, limits=QUIET | {"MinSpareServers": 4, "MaxSpareServers": 6})
    server.graceful()
    assert Load(server, clients=4, requests=400).run().failures == []
    before = settled(server)
    idle = [server.connect() for _ in range(10)]
    for connection in idle:
        assert connection.get("/who.txt", "v0.test").status == 200
    with Load(server) as load:
        for number in range(RESTARTS):
            server.graceful()
            assert idle[number % 10].get("/who.php", "v0.test").status == 200, f"idle, restart {number + 1}"
            assert server.get("/who.txt", "v1.test").status == 200
        totals = load.stop()
    print(totals)
    assert totals.failures == [] and totals.requests > RESTARTS
    for connection in idle:
        assert connection.get("/who.txt", "v0.test").status == 200, "an idle connection has not lived on"
        connection.close()
    status = server.server_status()
    assert int(status["ParentServerMPMGeneration"]) == RESTARTS + 1
    after = poll(lambda: (lambda now: now
                          if all(now[name] <= before[name] + 12 for name in now) else None)(settled(server)),
                 lambda: f"more than before {before}: {settled(server)}")
    assert after["listeners"] == before["listeners"]
    status = server.server_status()
    busy = status["Scoreboard"].replace(".", "")
    assert len(busy) <= 8, f"slots in use with nothing to do: {busy}"


def test_idle_kept_connection_lives_through_graceful_restarts(servers, kind):
    server = servers.start(kind, 1)
    with server.connect() as connection:
        for _ in range(3):
            assert Who.of(connection.get("/who.php", "v0.test")).is_account(accounts.account(0))
            server.graceful()
        assert Who.of(connection.get("/who.php", "v0.test")).is_account(accounts.account(0))


def test_idle_kept_tls_connection_is_answered_once_more_after_a_graceful_restart(servers, kind):
    """Its state can't leave its worker, which ends with its generation: the answer says so."""
    server = servers.start(kind, 1)
    with server.connect(tls=True, sni="v0.test") as connection:
        assert Who.of(connection.get("/who.php", "v0.test")).is_account(accounts.account(0))
        server.graceful()
        answer = connection.get("/who.php", "v0.test")
        assert Who.of(answer).is_account(accounts.account(0))
        assert answer.header("Connection") == "close"


def test_running_request_is_finished_over_a_graceful_restart(servers, kind):
    server = servers.start(kind, 1)
    running = RunningRequest(server)
    pid = running.begun()
    server.graceful()
    assert Who.of(server.get("/who.php")).pid != pid
    assert int(running.finish().body) == pid


def test_workers_of_the_old_generation_end(servers, kind):
    server = servers.start(kind, 1)
    old = Who.of(server.get("/who.php")).pid
    server.graceful()
    poll(lambda: old not in [process.pid for process in server.processes()], "the old worker stays")


def test_configuration_changed_is_in_force_after_a_graceful_restart(servers, kind, tree):
    """A new site is served, a site given to another user is served as that user, a removed one is gone."""
    server = servers.start(kind, 2)
    kept = server.connect()
    assert kept.get("/who.php", "v0.test").status == 200
    new_owner, docroot = accounts.account(5), tree.docroot(accounts.account(5))
    server.plan.sites = [Site("v0.test", docroot, f"{new_owner.name} {new_owner.name}"), *servers.user_sites(3)[2:]]
    server.write_config()
    server.graceful()
    assert Who.of(server.get("/who.php", "v0.test")).is_account(new_owner)
    assert Who.of(server.get("/who.php", "v2.test")).is_account(accounts.account(2))
    assert Who.of(server.get("/who.php", "v1.test")).is_account(new_owner), "a removed site is not the default one's"
    with kept:
        assert kept.send(request("/who.php", "v0.test")).ended_without_bytes(), "a connection changed its identity"


@pytest.mark.holds_for("prefork", "itk")
def test_hard_restart_serves_again(servers, kind):
    server = servers.start(kind, 2)
    assert server.get("/server-status?auto").status == 200
    for _ in range(3):
        old = {process.pid for process in server.processes()}
        server.hard_restart()
        assert server.get("/server-status?auto").status == 200
        kept = {process.pid for process in server.in_role("listener")}
        poll(lambda: not {process.pid for process in server.processes()} & old - kept,
             "children of before the restart stay")


def test_stop_during_a_hard_restart_stops(servers, kind):
    """The restart waits for a child that does not end."""
    server = servers.start(kind, 1, tls=False)
    worker = Who.of(server.get("/who.php")).pid
    os.kill(worker, signal.SIGSTOP)
    server.remember()
    server.allow("ITK2005")
    os.kill(server.master.pid, signal.SIGHUP)
    poll(lambda: not server.in_role("listener"), "the listener does not end")
    server.stop()


def halted_workers(server, count):
    """A worker of each site, stopped: none of them can end."""
    workers = [Process.of(Who.of(server.get("/who.php", f"v{number}.test")).pid) for number in range(count)]
    for worker in workers:
        os.kill(worker.pid, signal.SIGSTOP)
    server.remember()
    return workers


def test_stop_kills_nobody_while_one_after_another_ends(servers, kind):
    """As on a machine that is too slow for the ends of so many at a time."""
    server = servers.start(kind, 4, tls=False)
    halted = halted_workers(server, 4)
    os.kill(server.master.pid, signal.SIGTERM)
    for worker in halted:
        time.sleep(2)
        os.kill(worker.pid, signal.SIGCONT)
    server.stop()


def test_stop_waits_longer_for_the_first_end_of_many(servers, kind):
    """Which come to their ends together, where the processors are shared out fairly."""
    server = servers.start(kind, 100, tls=False, limits={"ServerLimit": 150, "MaxRequestWorkers": 150})
    halted = halted_workers(server, 100)
    os.kill(server.master.pid, signal.SIGTERM)
    time.sleep(6)  # longer than few are waited for
    for worker in halted:
        os.kill(worker.pid, signal.SIGCONT)
        poll(lambda worker=worker: not worker.alive(), f"{worker} does not end")
    server.stop()


@pytest.mark.holds_for("prefork", "itk")
def test_piped_log_goes_on_after_a_restart_and_after_its_process_was_killed(servers, kind):
    server = servers.start(kind, 1, lines=('CustomLog "|/usr/bin/rotatelogs @DIR@/piped.log 86400" "%U"',))
    server.allow(r"AH00106", r"AH00104", r"piped log program")

    def log_processes():
        return [process for process in server.processes() if "rotatelogs" in process.title()]

    def logged(path):
        server.get(path)
        logs = list(server.directory.glob("piped.log*"))
        return any(path in log.read_text() for log in logs)
    poll(lambda: logged("/first"), "nothing arrives in the piped log")
    server.graceful()
    poll(lambda: logged("/second"), "nothing arrives in the piped log after a graceful restart")
    poll(lambda: len(log_processes()) == 1, lambda: f"{len(log_processes())} log processes")
    killed = log_processes()[0]
    os.kill(killed.pid, 9)
    poll(lambda: [process for process in log_processes() if process != killed], "the log process is not started again",
         deadline=120)
    poll(lambda: logged("/third"), "nothing arrives in the piped log after its process was killed")


def test_generation_of_mod_status_counts_graceful_restarts(servers, kind):
    server = servers.start(kind, 1)
    for number in range(3):
        assert int(server.server_status()["ParentServerMPMGeneration"]) == number
        server.graceful()


def test_log_names_no_step_that_failed_over_restarts(servers, kind):
    server = servers.start(kind, 3)
    for number in range(5):
        server.graceful() if number % 2 else server.hard_restart()
    assert not re.search(r"ITK24", server.log())


@pytest.mark.parametrize("names", [("mpm_prefork_module", "mpm_itk_module"), ("mpm_itk_module", "mpm_prefork_module")],
                         ids=["prefork-first", "itk-first"])
def test_names_that_are_loaded_too_outlive_restarts(servers, kind, names):
    """httpd takes its records of them off its list, and puts them there again; all of them, once."""
    load = tuple(f"LoadModule {name} {itk2_module()}" for name in names)
    server = servers.start(kind, 1, load=load, lines=("<IfModule mod_ruid2.c>\nHeader set X-Has yes\n</IfModule>",))
    for restart in (server.graceful, server.hard_restart, server.graceful):
        restart()
        answer = server.get("/who.php")
        assert Who.of(answer).is_account(accounts.account(0)) and answer.header("X-Has") == "yes"


# Configuration that fills some large pages: what a site says that nobody asks for.
MUCH = tuple(f"SetEnvIf Remote_Addr ^{number} FILL{number}={'x' * 4000}" for number in range(3000))
LARGE = 4 << 10  # KiB


def test_the_masters_memory_is_in_large_pages_soon_after_a_restart(servers, kind):
    """Whoever of the last generation is still busy."""
    sites = servers.user_sites(3)
    sites[2].lines = MUCH
    server = servers.start(kind, sites=sites)
    assert server.master.rollup("AnonHugePages") >= LARGE, "since Linux 6.1"
    for _ in range(2):
        running = RunningRequest(server)
        old = running.begun()
        server.graceful()
        assert server.get("/who.php", "v0.test").status == 200
        assert old in [worker.pid for worker in server.in_role("worker")]
        poll(lambda: server.master.rollup("AnonHugePages") >= LARGE, "the master's memory stays in small pages")
        assert running.finish().status == 200
