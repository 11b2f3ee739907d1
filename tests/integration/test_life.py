"""Start and stop: daemon, foreground, single process, pid file, graceful stop."""
import os
import signal
import subprocess

import pytest

from itk2_testing import accounts, proc
from itk2_testing.client import Who, request
from itk2_testing.configuration import Plan
from itk2_testing.waiting import poll
from itk2_testing.waiting_script import RunningRequest


@pytest.mark.holds_for("prefork", "itk")
def test_term_leaves_no_process_and_no_pid_file(servers, kind):
    server = servers.start(kind, 2, tls=False)
    idle = server.connect()
    assert idle.get("/server-status?auto", "v0.test").status == 200
    assert int(server.pid_file.read_text()) == server.master.pid
    server.stop()
    assert not server.pid_file.exists()
    idle.close()


def test_term_ends_running_requests_stalled_clients_and_tls(servers, kind):
    server = servers.start(kind, 2)
    running = RunningRequest(server)
    running.begun()
    stalled, parked = server.connect().send(b"GET / HT"), server.connect(tls=True, sni="v1.test")
    assert parked.get("/who.txt", "v1.test").status == 200
    server.stop()
    for connection in (running, stalled, parked):
        connection.close()


@pytest.mark.holds_for("prefork", "itk")
def test_graceful_stop_finishes_what_is_running(servers, kind):
    server = servers.start(kind, 1)
    running = RunningRequest(server)
    running.begun()
    server.remember()
    os.kill(server.master.pid, signal.SIGWINCH)
    server.expect("caught SIGWINCH, shutting down gracefully")

    def refused():
        try:
            server.connect().close()
        except ConnectionRefusedError:
            return True
        return False
    poll(refused, "new connections are still taken")
    assert running.finish().status == 200
    server.stop()


@pytest.mark.holds_for("prefork", "itk")
def test_foreground_server_is_its_own_master_and_ends_with_success(servers, kind):
    server = servers.make(Plan(kind, servers.user_sites(1))).start("foreground")
    assert server.master.pid == server.foreground.pid
    assert server.get("/server-status?auto").status == 200
    os.kill(server.master.pid, signal.SIGTERM)
    assert server.foreground.wait(60) == 0
    server.stop()


def test_single_process_serves_the_first_identity_asked_for(servers, kind):
    server = servers.make(Plan(kind, servers.user_sites(2))).start("single")
    server.allow("ITK2701")
    assert Who.of(server.get("/who.php", "v1.test")).is_account(accounts.account(1))
    assert Who.of(server.get("/who.php", "v1.test")).is_account(accounts.account(1))
    os.kill(server.master.pid, signal.SIGTERM)
    poll(lambda: server.foreground.poll() is not None, "-X does not end on SIGTERM")


@pytest.mark.holds_for("prefork", "itk")
def test_second_start_is_refused_while_the_first_runs(servers, kind):
    server = servers.start(kind, 1)
    again = server.try_start()
    assert "already running" in again.stdout + again.stderr
    assert server.master.alive() and server.get("/server-status?auto").status == 200


@pytest.mark.holds_for("prefork", "itk")
@pytest.mark.parametrize("word", ["graceful", "restart"])
def test_command_line_restarts_work(servers, kind, word):
    server = servers.start(kind, 1)
    done = subprocess.run(server.command("-k", word), env=server.environment(), timeout=60, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    server.wait_until_resumed(2)
    assert server.get("/server-status?auto").status == 200
    done = subprocess.run(server.command("-k", "stop"), env=server.environment(), timeout=60, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    server.wait_until_gone()


@pytest.mark.holds_for("prefork", "itk")
def test_ten_starts_and_stops_leave_nothing(servers, kind):
    server = servers.make(Plan(kind, servers.user_sites(1), tls=False, php=False))
    for number in range(10):
        server.start()
        server.wait_until_resumed(number + 1)
        server.stop()


def test_without_assign_user_id_it_serves_as_the_servers_user(servers, kind, tree):
    sites = servers.user_sites(2)
    for site in sites:
        site.identity, site.docroot = "", tree.shared
    (tree.shared / "me.php").write_text("<?php echo posix_geteuid(), ' ', posix_getegid();")
    server = servers.start(kind, sites=sites)
    for site in ("v0.test", "v1.test"):
        assert server.get("/me.php", site).body == b"33 33"
        assert server.get("/small.txt", site, tls=True).status == 200


def test_not_started_by_root_it_serves_as_the_user_who_started_it(servers, kind, tree):
    user = accounts.account(3)
    sites = servers.user_sites(1)
    sites[0].identity, sites[0].docroot = "", tree.docroot(user)
    server = servers.make(Plan(kind, sites))
    os.chown(server.directory, user.uid, user.gid)
    os.chmod(tree.key, 0o644)
    server.start(user=user.uid, group=user.gid, extra_groups=list(user.groups))
    assert Who.of(server.get("/who.php")).is_account(user)
    assert Who.of(server.get("/who.php", tls=True)).is_account(user)
    assert {process.status().uids for process in [server.master, *server.processes()]} == {(user.uid,) * 4}
    with server.connect() as kept:
        assert kept.get("/who.txt", "v0.test").status == 200
        server.graceful()
        assert kept.send(request("/who.txt", "v0.test")).answer().status == 200


def test_not_started_by_root_with_assign_user_id_it_refuses_and_names_what_is_missing(servers, kind):
    user = accounts.account(3)
    server = servers.make(Plan(kind, servers.user_sites(1), tls=False))
    os.chown(server.directory, user.uid, user.gid)
    done = server.try_start(user=user.uid, group=user.gid, extra_groups=[])
    said = done.stdout + done.stderr + server.log()
    assert done.returncode != 0 and "AssignUserID" in said and ("root" in said or "CAP_SETUID" in said), said
    assert not proc.descendants(os.getpid()) or not server.survivors()
    server.allow(".")
