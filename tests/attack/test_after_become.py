"""Native code in a worker: no way back, and no way into another process. From a parser, neither."""
import contextlib
import subprocess

import pytest

from attacking import ACCOMPLICE, REFUSED, SITES, say_go
from itk2_testing import proc
from itk2_testing.waiting import poll

OTHER = SITES[2]
BACK = ("capset", "ambient", "unlock securebits", "setgroups", "setresgid", "setresuid")
OF_ONE_USER = {"prlimit", "signal", "pidfd_send_signal", "setpriority", "sched_setscheduler", "sched_setaffinity",
               "ioprio_set"}
INTO = ("pidfd_getfd", "mem", "maps", "environ", "fd", "root", "user namespace", "uid_map", "process_vm_readv",
        "process_vm_writev", "oom_score_adj", "kcmp", "ptrace", *sorted(OF_ONE_USER))

# A worker that was a spare, a worker that was a parser, and a parser.
WORKERS = {"worker": {"site": "decided.test", "path": "/page.txt", "at": "fixups"},
           "worker-that-was-a-parser": {"at": "fixups"}}
POSITIONS = WORKERS | {"parser": {"at": "read"}, "parser-that-has-translated": {"at": "translate"}}


def test_mpm_itk_goes_back_and_forth_before_it_becomes(itk):
    """The control: each step that gives an identity works where it is not given up."""
    report = itk.attack(f"go-back {OTHER.uid}")
    assert report.outcome("capset") == "ok"
    for step in ("setgroups", "setresgid", "setresuid"):
        assert report.outcomes(step)[0] == "ok", report


def test_root_outside_of_a_server_takes_every_step(native):
    """The control of the steps that mpm-itk's process lacks capabilities for."""
    report = native.alone("go-back 0")
    assert [report.outcomes(step)[0] for step in BACK if step not in ("ambient", "unlock securebits")] == ["ok"] * 4


@pytest.mark.parametrize("position", WORKERS)
@pytest.mark.parametrize("uid", [0, OTHER.uid + 1, SITES[0].uid])
def test_a_worker_has_no_way_back(itk2, position, uid):
    report = itk2.attack(f"go-back {uid}", **WORKERS[position])
    for step in BACK:
        outcomes = report.outcomes(step)
        assert outcomes and set(outcomes) <= REFUSED, f"{step}:\n{report}"
    for line in ("Uid", "Gid", "Groups", "CapPrm", "CapEff", "CapBnd"):
        assert report.outcome(f"after {line}") == report.outcome(f"before {line}")
    assert report.mask("after CapPrm") == report.mask("after CapBnd") == 0


def test_a_user_reaches_into_its_own_processes(native):
    """The control: every way in works where the kernel allows it."""
    user = {"user": ACCOMPLICE.uid, "group": ACCOMPLICE.gid, "extra_groups": []}
    with subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL, **user) as target:
        try:
            report = native.alone(f"trace {target.pid}", **user)
        finally:
            target.kill()
    assert [way for way in INTO if report.outcome(f"{target.pid} {way}") != "ok"] == []


@pytest.fixture
def another_parser(itk2):
    """The pid of a parser that is busy with a request."""
    go = itk2.go_file()
    connection, report = itk2.begin(f"write-up {go} 0 00")
    with connection:
        yield report.wait_for("pipes told").numbers("before PPid")[0]
        say_go(go)
        connection.answer()


@pytest.mark.parametrize("position", POSITIONS)
def test_no_other_process_can_be_reached_into(itk2, another_parser, position):
    """Of the server: master, listener, spares, parsers, and workers of other users. Limits and signals ask for the
    same user and nothing else: a parser can hurt parsers by these, and gain nothing."""
    for _ in range(2):  # from the second time on by workers that stay
        itk2.serves()
    poll(lambda: itk2.instance.in_role("spare"), "no spare")
    processes = [*itk2.instance.processes(), itk2.instance.master]
    seen = {process.pid: (itk2.instance.role(process), process.status().uids[0]) for process in processes
            if itk2.instance.role(process) != "other"}
    assert {role for role, _ in seen.values()} == {"master", "listener", "spare", "scribe", "parser", "worker"}
    report = itk2.attack("trace " + " ".join(map(str, seen)), **POSITIONS[position])
    own_uid = seen[another_parser][1] if position.startswith("parser") else report.numbers("before Uid")[0]
    tried = [pid for pid in seen if report.outcome(f"{pid} pidfd_open") == "ok"
             and pid not in report.numbers("before PPid")]
    assert {seen[pid][0] for pid in tried} >= {"master", "listener", "spare", "parser", "worker"}
    assert another_parser in tried
    for pid in tried:
        reached = {way for way in INTO if report.outcome(f"{pid} {way}") not in REFUSED}
        assert reached <= (OF_ONE_USER if seen[pid][1] == own_uid else set()), seen[pid]


def test_a_parser_that_ends_whomever_it_can_ends_parsers(itk, itk2, another_parser):
    """The server goes on, and so do its other processes. In mpm-itk all that wait for a request have one uid."""
    targets = [process for process in itk.instance.processes()]
    report = itk.attack("end " + " ".join(str(process.pid) for process in targets))
    assert "ok" in [report.outcomes(f"{process.pid} end")[-1] for process in targets
                    if report.outcomes(f"{process.pid} end")]
    itk.instance.allow("AH00052: child pid", "child died with signal")

    itk2.instance.allow(r"ITK2205", r"ITK2206")
    seen = {}
    for process in [*itk2.instance.processes(), itk2.instance.master]:
        with contextlib.suppress(proc.Vanished):  # a parser that has just served
            seen[process] = itk2.instance.role(process)
    others = [process for process, role in seen.items() if role not in ("parser", "other")]
    connection, file = itk2.begin("end " + " ".join(str(process.pid) for process in seen if process.pid != another_parser))
    with connection:
        # The connection may end before: its parser is one of them.
        poll(lambda: file.read().outcomes(f"{itk2.instance.master.pid} end"), "the last one has not been tried")
    report = file.read()
    assert others and all(report.outcome(f"{process.pid} end") in REFUSED for process in others), report
    assert all(process.alive() for process in others)
    # Who was handed to one that is just being ended has lost his connection; those to come have not.
    poll(lambda: [process for process in itk2.instance.in_role("parser") if process not in seen], "no new parser")
    poll(lambda: not any(process.alive() for process, role in seen.items() if role == "parser"
                         and process.pid != another_parser), "parsers live on")
    itk2.serves()


def test_every_process_is_what_it_was(itk2):
    """No worker has a capability, no parser a map."""
    itk2.serves()
    for process in itk2.instance.in_role("worker"):
        assert process.status().capability_sets == (0,) * 5
    for process in itk2.instance.in_role("parser"):
        status = process.status()
        assert status.effective == status.permitted == proc.SET_IDS and status.bounding == 0
