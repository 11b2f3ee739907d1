"""Native code in the listener, which every client byte reaches: no identity, no file, no other process; and what it
says to the master is believed only within what a listener may say."""
import re
import signal

import pytest

import hostile_listener
from attacking import ACCOMPLICE, FORBIDDEN, REFUSED, SECRET_GROUP, SITES, Accomplice, plan
from hostile_listener import HostileListener
from itk2_testing import proc
from itk2_testing.waiting import poll
from test_after_become import INTO, BACK


@pytest.fixture(scope="module")
def target(module_servers, native, found):
    instance = module_servers.make(plan("itk2", native, lines=hostile_listener.LINES))
    made = HostileListener(instance, native, found)
    instance.start()
    return made


def test_where_there_is_no_sandbox_it_is_said(target):
    assert re.search("ITK2111: listeners: system calls all, files seen", target.instance.log())
    assert target.instance.log().count("ITK2112") == 2


def test_a_listener_that_opens_a_file_ends(module_servers, native, found):
    """In its sandbox; the control are all others here, which look for the file with their order and live."""
    instance = module_servers.make(plan("itk2", native, lines=hostile_listener.LINES))
    HostileListener(instance, native, found).folder.joinpath("sandbox").touch()
    instance.allow(".")
    assert instance.try_start().returncode == 0
    poll(lambda: f"ended unexpectedly (signal {signal.SIGSYS.value})" in instance.log(), instance.log)
    poll(lambda: not instance.survivors(), "a server without listeners goes on")


def test_the_attacks_run_in_the_listener_itself(target):
    """The control of all others here: its ids, its parent, its descriptors."""
    listener = target.instance.in_role("listener")[0]
    report = target.attack_in_listener("find-listening")
    assert report.numbers("before PPid") == (listener.pid,)
    assert report.numbers("before Uid") == listener.status().uids
    assert report.numbers("listening")[0] >= 2
    assert listener.session() == listener.pid, "a listener leads its own session"


@pytest.mark.parametrize("uid", [0, FORBIDDEN.uid, SITES[0].uid])
def test_a_listener_has_no_way_back(target, uid):
    report = target.attack_in_listener(f"go-back {uid}")
    for step in BACK:
        outcomes = report.outcomes(step)
        assert outcomes and set(outcomes) <= REFUSED, f"{step}:\n{report}"
    for line in ("Uid", "Gid", "Groups", "CapPrm", "CapEff", "CapBnd"):
        assert report.outcome(f"after {line}") == report.outcome(f"before {line}")
    assert [report.mask(f"after Cap{name}") for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")] == [0] * 5


@pytest.mark.parametrize("entry", ["every-call", "compat-calls"])
@pytest.mark.parametrize("uid,gid", [(0, 0), (FORBIDDEN.uid, SECRET_GROUP), (SITES[0].uid, SITES[0].gid)])
def test_no_call_gives_a_listener_an_id(target, native, entry, uid, gid):
    calls = native.calls(f"{entry} {uid} {gid}")
    report = target.attack_in_listener(f"{entry} {uid} {gid}")
    for call, there in calls.items():
        assert report.outcome(call) in (REFUSED if there == "ok" else {there}), report


@pytest.mark.parametrize("how", ["unshare", "clone3"])
def test_a_listeners_own_namespace_maps_nobody_else(target, found, how):
    secret = found.forbidden
    report = target.attack_in_listener(f"own-child {how} {SITES[0].uid} {FORBIDDEN.uid} {FORBIDDEN.gid} {secret}")
    assert not report.has_read(secret, found.words), report
    assert not [line for line in report.lines if line.startswith("write ") and line.endswith(": ok")], report


def test_an_accomplice_gains_nothing_from_a_listener(target, native, found):
    secret = found.forbidden
    with Accomplice(native, ACCOMPLICE, SITES[0].uid, secret) as accomplice:
        words = f"{accomplice.pid} {accomplice.user.uid} {accomplice.inside}"
        reports = [target.attack_in_listener(f"map-accomplice {words} {FORBIDDEN.uid} {FORBIDDEN.gid}"),
                   target.attack_in_listener(f"join-accomplice {words} {secret} {accomplice.socket}"),
                   accomplice.try_it()]
    assert reports[0].outcome("seteuid of the accomplice") in REFUSED
    assert reports[1].outcome("be given the namespace") == "ok" and reports[1].outcome("setns") in REFUSED
    assert not [report for report in reports if report.has_read(secret, found.words)]


def test_a_listener_reads_no_file_of_anybody(target, found):
    words = found.words
    report = target.attack_in_listener("read " + " ".join(map(str, words)))
    assert {report.outcome(f"read {path}") for path in words} == {"EACCES"}


def test_a_listener_reaches_into_no_process(target):
    """Not even by signals, limits and priorities: its uid is nobody else's."""
    for _ in range(2):
        target.serves()
    poll(lambda: target.instance.in_role("spare"), "no spare")
    listener = target.instance.in_role("listener")[0]
    others = {process.pid: target.instance.role(process)
              for process in [*target.instance.processes(), target.instance.master] if process != listener}
    assert set(others.values()) >= {"master", "spare", "parser", "worker"}
    report = target.attack_in_listener("trace " + " ".join(map(str, others)))
    tried = [pid for pid in others if report.outcome(f"{pid} pidfd_open") == "ok"]
    assert {others[pid] for pid in tried} >= {"master", "spare", "parser", "worker"}
    for pid in tried:
        reached = {way for way in INTO if report.outcome(f"{pid} {way}") not in REFUSED}
        assert not reached, (others[pid], reached)
    report = target.attack_in_listener("signal-groups " + " ".join(map(str, tried)))
    assert {report.outcome(f"{pid} {what}") for pid in tried for what in ("group", "SIGCONT")} <= {"EPERM", "ESRCH"}


def test_it_is_what_it_was(target):
    listener = target.instance.in_role("listener")[0]
    assert listener.status().capability_sets == (0,) * 5
    assert not [process for process in target.instance.in_role("worker")
                if process.status().permitted or proc.SET_IDS & process.status().bounding]
    target.serves()
