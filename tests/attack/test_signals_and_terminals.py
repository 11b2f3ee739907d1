"""Native code signals everybody it can, and types at the terminal that the server was started from."""
import fcntl
import os
import pty
import subprocess
import termios
from contextlib import suppress

import pytest

import hostile_listener
from attacking import ACCOMPLICE, SITES, Target, plan
from hostile_listener import HostileListener
from itk2_testing.proc import Vanished
from itk2_testing.waiting import poll

DECIDED = {"site": "decided.test", "path": "/page.txt", "at": "fixups"}
SIGKILL = 9


def alive(instance):
    found = {}
    for process in [*instance.processes(), instance.master]:
        with suppress(Vanished):
            found[process.pid] = instance.role(process)
    return found


def test_a_worker_that_signals_everybody_reaches_its_own_user_only(itk2):
    """kill(-1), kill(0), SIGCONT within a session: nobody of another uid."""
    itk2.instance.allow(r"ITK2301: worker of itk2t004")
    itk2.serves()
    bystander = subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL, user=SITES[2].uid, group=SITES[2].gid,
                                 extra_groups=[])
    before = alive(itk2.instance)
    report = itk2.attack(f"signal-groups {' '.join(map(str, before))}", **DECIDED)
    mine = {str(process.pid) for process in itk2.instance.processes() if process.status().uids[0] == SITES[2].uid}
    for pid in map(str, before):
        if pid not in mine:
            assert {report.outcome(f"{pid} {what}") for what in ("group", "SIGCONT")} <= {"EPERM", "ESRCH"}, before
    itk2.attack(f"signal-all {SIGKILL}", **DECIDED)
    assert bystander.wait(60) == -SIGKILL, "the control: a process of its own user"
    others = {pid for pid, role in before.items() if role in ("master", "listener", "worker") and str(pid) not in mine}
    assert others and others <= set(alive(itk2.instance))
    itk2.serves()


def test_a_parser_that_signals_everybody_reaches_parsers_only(itk, itk2):
    """In mpm-itk a child that reads a request reaches every child of the server, whoever it serves."""
    itk.instance.allow("AH00052: child pid", "child died with signal")
    before = alive(itk.instance)
    report = itk.attack(f"signal-all {SIGKILL}")
    assert not report.outcomes("as root"), report
    poll(lambda: set(before) - set(alive(itk.instance)), "no attack at all: mpm-itk withstands it")

    itk2.instance.allow(r"ITK2205", r"ITK2206")
    itk2.serves()
    before = alive(itk2.instance)
    itk2.attack(f"signal-all {SIGKILL}")
    others = {pid for pid, role in before.items() if role in ("master", "listener", "spare", "worker")}
    assert others and others <= set(alive(itk2.instance))
    poll(lambda: itk2.instance.in_role("parser"), "no new parser")
    itk2.serves()


# -- terminals -------------------------------------------------------------------------------------------------------

class Terminal:
    """A terminal that is the controlling one of what is started in it, and that anybody may open."""

    def __init__(self):
        self.master, self.end = pty.openpty()
        self.name = os.ttyname(self.end)
        os.chmod(self.name, 0o666)
        modes = termios.tcgetattr(self.end)
        modes[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(self.end, termios.TCSANOW, modes)

    def control(self):
        """In a child, before exec."""
        os.setsid()
        fcntl.ioctl(self.end, termios.TIOCSCTTY, 0)

    def typed(self):
        os.set_blocking(self.end, False)
        try:
            return os.read(self.end, 100)
        except BlockingIOError:
            return b""

    def close(self):
        os.close(self.master)
        os.close(self.end)


@pytest.fixture
def terminal():
    made = Terminal()
    yield made
    made.close()


def in_terminal(instance, terminal):
    instance.start("foreground", start_new_session=False, preexec_fn=terminal.control, stdin=terminal.end,
                   pass_fds=(terminal.end,))


def test_nobody_types_at_the_terminal_the_server_was_started_from(servers, native, found, terminal):
    """A program of the same session can, and mpm-itk's processes are of the master's session."""
    if int(open("/proc/sys/dev/tty/legacy_tiocsti").read()) != 1:
        pytest.skip("dev.tty.legacy_tiocsti is 0: nobody can type for others here")
    attack = f"type-at {terminal.name}"
    control = native.alone(attack, user=ACCOMPLICE.uid, group=ACCOMPLICE.gid, extra_groups=[],
                           preexec_fn=terminal.control, pass_fds=(terminal.end,))
    assert control.outcome("type") == "ok" and terminal.typed() == b"x", control


def test_nobody_types_at_mpm_itks_terminal_or_here(servers, native, found, terminal):
    attack = f"type-at {terminal.name}"
    instance = servers.make(plan("itk", native))
    itk = Target(instance, native, found)
    in_terminal(instance, terminal)
    report = itk.attack(attack, **DECIDED)
    assert report.outcome("type") == "ok" and b"x" in terminal.typed(), "no attack at all: mpm-itk withstands it"
    instance.stop()


def test_nobody_types_here(servers, native, found, terminal):
    attack = f"type-at {terminal.name}"
    instance = servers.make(plan("itk2", native, lines=hostile_listener.LINES))
    itk2 = HostileListener(instance, native, found)
    in_terminal(instance, terminal)
    for report in (itk2.attack(attack, **DECIDED), itk2.attack(attack, at="read"), itk2.attack_in_listener(attack)):
        assert report.outcome("open terminal") == "ok"
        assert not [line for line in report.lines if line.startswith("type") and line.endswith("ok")], report
    assert terminal.typed() == b""
    itk2.serves()
    instance.stop()  # before its terminal goes, which is a SIGHUP
