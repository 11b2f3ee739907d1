"""Listening sockets, the channels' sockets, and connections that two processes hold: what native code can do with its
duplicates, and whom it hurts."""
import os
import signal

import pytest

from attacking import ACCOMPLICE, plan, say_go, started
from itk2_testing import proc
from itk2_testing.client import Broken, request
from itk2_testing.waiting import poll

DECIDED = {"site": "decided.test", "path": "/page.txt", "at": "fixups"}
POSITIONS = {"worker": DECIDED, "worker-that-was-a-parser": {"at": "fixups"}, "parser": {"at": "read"}}
LOCAL_USER = {"user": ACCOMPLICE.uid, "group": ACCOMPLICE.gid, "extra_groups": []}

positions = pytest.mark.parametrize("position", POSITIONS)


def test_mpm_itks_children_hold_listening_sockets(itk):
    """The control of the next one."""
    itk.serves()
    ports = set(itk.instance.ports.values())
    assert ports & proc.listening([process for process in itk.instance.processes()])


@positions
def test_no_process_but_the_listener_holds_a_listening_socket(itk2, position):
    report = itk2.attack("shut-listening", **POSITIONS[position])
    assert report.outcome("listening") == "0" and not report.outcomes("shutdown"), report
    itk2.serves()


def binds(report):
    found = [line.split(": ")[1] for line in report.lines if line.startswith("bind ")]
    assert len(found) == 12, report
    return found


def test_a_free_port_can_be_bound(itk2, native):
    """The control of the next one: by each of these ways, from a worker too."""
    free = itk2.instance.spare_ports[0]
    assert set(binds(native.alone(f"bind-over {free}", **LOCAL_USER))) == {"ok"}
    assert set(binds(itk2.attack(f"bind-over {free}", **DECIDED))) == {"ok"}


@pytest.mark.parametrize("listeners", [1, 2])
def test_nobody_binds_the_servers_port_beside_it(servers, native, found, listeners):
    """With several listeners the kernel shares connections among sockets: those of the same uid, and that is root."""
    itk2 = started(servers, plan("itk2", native, lines=(f"ListenerProcesses {listeners}",)), native, found)
    attack = f"bind-over {itk2.instance.ports['http']}"
    for report in (native.alone(attack, **LOCAL_USER), *(itk2.attack(attack, **place) for place in POSITIONS.values())):
        assert set(binds(report)) == {"EADDRINUSE"}, report
    itk2.serves()


@positions
def test_no_descriptor_can_be_given_to_who_is_above(itk2, position):
    """A socket that nobody reads from there, a pipe that carries none."""
    report = itk2.attack("give-up", **POSITIONS[position])
    assert report.outcome("give to own socket") == "ok", "the control"
    given = [line for line in report.lines if line.startswith(("give to socket", "give to pipe", "say to socket"))]
    assert {line.split(" ")[2] for line in given if line.startswith("give")} == {"socket", "pipe"}, report
    assert {line.split(": ")[1] for line in given} <= {"EPIPE", "ENOTSOCK"}, report
    itk2.serves()


def test_a_connection_left_to_linger_keeps_nobody_waiting(itk2):
    """Bytes unsent, a client that does not read, and options that make close() wait for it ten minutes."""
    itk2.instance.allow(r"ITK2301: worker of itk2t004")
    silent = []
    for _ in range(8):
        connection, report = itk2.begin("linger", **DECIDED)
        found = report.wait_for("end")
        assert found.outcomes("linger") == found.outcomes("block") == ["ok"], found
        worker = found.numbers("before PPid")[0]
        os.kill(worker, signal.SIGKILL)
        silent.append(connection)
        itk2.serves()
    for connection in silent:
        connection.close()
    assert "ITK2102" not in itk2.instance.log()


def test_descriptors_in_flight_count_for_who_sends_them(itk2, native):
    """Users with as many as they may have keep nobody's connections from being handed over, not even their own."""
    go = itk2.go_file()
    connection, report = itk2.begin(f"fill-in-flight {go}", **DECIDED)
    with connection:
        assert connection.answer().status == 200
        full = report.wait_for("full")
        assert full.outcome("one more") == "ETOOMANYREFS", f"the control:\n{full}"
        for _ in range(3):
            itk2.serves()
    say_go(go)
    report.wait_for("end of what stayed behind")


def test_a_kept_duplicate_sees_no_other_identitys_request(itk2):
    """A worker that does not let go of a connection: the next request for another site ends it, unserved."""
    itk2.serves()
    go = itk2.go_file()
    connection, report = itk2.begin(f"keep-connection {go}", keep=True, **DECIDED)
    with connection:
        assert connection.answer().status == 200
        waiting = report.wait_for("waits")
        assert waiting.outcome("kept") == "1", "of its own connection, and no other"
        connection.send(request("/page.txt", "undecided.test"))
        try:
            rest = connection.rest()
        except OSError:
            rest = b""
        assert b"a page" not in rest and not rest, rest
        say_go(go)
        told = report.wait_for("end of what stayed behind")
        assert told.outcome("say") in ("EPIPE", "ECONNRESET"), told
    itk2.serves()


@pytest.mark.parametrize("at", ["read", "fixups"])
def test_one_that_stops_reading_costs_its_own_requests_alone(itk2, at):
    """Stopped within a request, parser or worker: all others are answered, and so is that one once it goes on."""
    place = DECIDED if at == "fixups" else {"at": at}
    stopped = []
    for _ in range(4):
        connection, report = itk2.begin("stop-parent", **place)
        parent = int(poll(lambda: report.read().outcomes("parent"), "the attack has not begun")[0])
        poll(lambda: proc.Process.of(parent).status().state == "T", "it runs")
        stopped.append((connection, parent))
    for _ in range(4):
        itk2.serves()
    for connection, parent in stopped:
        os.kill(parent, signal.SIGCONT)
        try:
            assert connection.answer().status == 200
        except Broken:
            pytest.fail("its answer is lost")
        connection.close()


def test_the_listener_is_the_same_after_all_of_it(itk2):
    assert "ITK2102" not in itk2.instance.log() and "ITK2106" not in itk2.instance.log()
    itk2.serves()
