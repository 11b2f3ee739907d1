"""What a site's script has started and left behind, deaf to signals and out of its session, does not outlive a stop."""
import os
import signal

import pytest

from attacking import plan, started
from itk2_testing import proc
from itk2_testing.waiting import poll

DECIDED = {"site": "decided.test", "path": "/page.txt", "at": "fixups"}
FROM = {"worker": DECIDED, "worker-that-was-a-parser": {"at": "fixups"}, "parser": {"at": "read"}}
SEVEN_TURNS = "outlive 7"


def left_behind(target, **place):
    """A process that has got away; it is nobody's child of the server."""
    connection, report = target.begin(SEVEN_TURNS, **place)
    with connection:
        connection.answer()
    found = poll(lambda: report.read().outcomes("outlives"), lambda: f"nothing outlives:\n{report.read()}")
    return proc.Process.of(int(found[0]))


def test_it_outlives_mpm_itks_stop(servers, native, found):
    """The control."""
    itk = started(servers, plan("itk", native), native, found)
    process = left_behind(itk, **DECIDED)
    os.kill(itk.instance.master.pid, signal.SIGTERM)
    poll(lambda: not itk.instance.master.alive(), "the master lives")
    assert process.alive(), "no attack at all: mpm-itk ends it"
    os.kill(process.pid, signal.SIGKILL)
    itk.instance.stop()


@pytest.mark.parametrize("mode", ["daemon", "foreground"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGWINCH], ids=["stop", "graceful-stop"])
def test_nothing_outlives_a_stop(servers, native, found, number, mode):
    itk2 = started(servers, plan("itk2", native), native, found, mode)
    processes = [left_behind(itk2, **place) for place in FROM.values()]
    assert all(process.alive() for process in processes)
    master = itk2.instance.master
    os.kill(master.pid, number)
    poll(lambda: not master.alive(), "the master lives")
    assert not [process for process in processes if process.alive()], "it outlives the master"
    itk2.instance.stop()


def test_it_lives_on_over_a_graceful_restart_and_ends_with_a_hard_one(servers, native, found):
    itk2 = started(servers, plan("itk2", native), native, found)
    process = left_behind(itk2, **DECIDED)
    itk2.instance.graceful()
    itk2.serves()
    assert process.alive()
    itk2.instance.hard_restart()
    poll(lambda: not process.alive(), "it outlives a restart")
    itk2.serves()


def test_programs_that_logs_are_piped_to_are_not_taken_for_a_sites(servers, native, found):
    """They write what comes last, and end by themselves."""
    itk2 = started(servers, plan("itk2", native, lines=(
        'CustomLog "|/bin/sh -c \'trap : TERM; cat > @DIR@/piped; echo the end >> @DIR@/piped\'" common',)), native, found)
    instance = itk2.instance
    process = left_behind(itk2, **DECIDED)
    itk2.serves()
    instance.stop()
    assert not process.alive()
    poll(lambda: "the end" in (instance.directory / "piped").read_text(), "the log's program was killed")
