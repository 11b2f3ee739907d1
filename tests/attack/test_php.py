"""Plain PHP as the attacker: what a script can do with the functions it has, and what a program that it starts can.

mod_php in mpm-itk's worker is the control where the same works there.
"""
import pytest

from attacking import FORBIDDEN, SITES, ReportFile, Target, plan
from itk2_testing.waiting import poll

OWN, OTHER = SITES[2], SITES[0]

# Each says "what: outcome" line by line, as the native attacks do.
ATTACK_PHP = """<?php
header("Content-Type: text/plain");
function say($what, $ok) { echo $what, ": ", $ok ? "ok" : "refused", "\\n"; }
$pids = array_map("intval", explode(",", $_GET["pids"] ?? ""));
switch ($_GET["do"]) {
case "ids":
    foreach ([0, %(other)d, %(forbidden)d] as $id) {
        say("setuid $id", @posix_setuid($id)); say("seteuid $id", @posix_seteuid($id));
        say("setgid $id", @posix_setgid($id)); say("setegid $id", @posix_setegid($id));
    }
    say("initgroups", @posix_initgroups("root", 0));
    echo "uid: ", posix_getuid(), " ", posix_geteuid(), "\\n";
    break;
case "signals":
    foreach ($pids as $pid) say("$pid signal", @posix_kill($pid, 0));
    break;
case "files":
    foreach ($pids as $pid) foreach (["mem", "environ", "maps", "fd/3", "cwd/", "root/etc/shadow"] as $name)
        say("$pid $name", @fopen("/proc/$pid/$name", "r") !== false);
    foreach (explode(",", $_GET["files"]) as $file) say("read $file", @file_get_contents($file) !== false);
    break;
case "descriptors":
    foreach (scandir("/proc/self/fd") as $fd) {
        $to = @readlink("/proc/self/fd/$fd");
        if ($to !== false) echo "fd $fd: $to\\n";
    }
    break;
case "program":
    passthru(escapeshellcmd($_GET["program"]) . " " . escapeshellcmd($_GET["arguments"]) . " 2>&1", $status);
    echo "status: $status\\n";
    break;
}
""" % {"other": OTHER.uid, "forbidden": FORBIDDEN.uid}


class Php:
    def __init__(self, target):
        self.target = target

    def __call__(self, do, **query):
        words = "&".join(f"{name}={value}" for name, value in {"do": do, **query}.items())
        answer = self.target.instance.get(f"/attack.php?{words}", "decided.test")
        assert answer.status == 200, answer
        lines = answer.body.decode(errors="replace").splitlines()
        return dict(line.split(": ", 1) for line in lines if ": " in line)


def _php(kind, servers, native, found):
    instance = servers.make(plan(kind, native, php=True))
    target = Target(instance, native, found)
    (instance.directory / "pages" / "attack.php").write_text(ATTACK_PHP)
    instance.start()
    return Php(target)


@pytest.fixture(scope="module")
def of_itk(module_servers, native, found):
    return _php("itk", module_servers, native, found)


@pytest.fixture(scope="module")
def of_itk2(module_servers, native, found):
    return _php("itk2", module_servers, native, found)


def others(php):
    """Every process of the server that is not the script's own user's, by role."""
    instance = php.target.instance
    for _ in range(2):
        php.target.serves()
    poll(lambda: instance.in_role("spare"), "no spare")
    return {process.pid: instance.role(process) for process in [*instance.processes(), instance.master]
            if process.status().uids[0] != OWN.uid}


def test_a_script_changes_no_id(of_itk2):
    said = of_itk2("ids")
    assert said.pop("uid") == f"{OWN.uid} {OWN.uid}"
    assert said and set(said.values()) == {"refused"}, said


def test_a_script_signals_nobody_else(of_itk2):
    pids = others(of_itk2)
    assert set(pids.values()) >= {"master", "listener", "spare", "worker"}
    said = of_itk2("signals", pids=",".join(map(str, pids)))
    assert set(said.values()) == {"refused"} and len(said) == len(pids)


def test_a_script_reads_no_process_and_no_file_of_others(of_itk2, found):
    pids = others(of_itk2)
    secret = [found.root, found.forbidden, *found.sites[:2]]
    said = of_itk2("files", pids=",".join(map(str, pids)), files=",".join(map(str, [*secret, found.sites[2]])))
    assert said.pop(f"read {found.sites[2]}") == "ok", "the control: its own user's"
    assert set(said.values()) == {"refused"}, said


def test_a_scripts_process_holds_no_listening_socket_and_no_way_up_but_its_pipe(of_itk2):
    said = of_itk2("descriptors")
    pipes = [to for name, to in said.items() if to.startswith("pipe:")]
    sockets = [to for name, to in said.items() if to.startswith("socket:")]
    read = {to for listener in of_itk2.target.instance.in_role("listener") for to in listener.descriptors().values()}
    assert len(read & set(pipes)) == 1 and len(sockets) == 2, said  # its channel and its connection; other pipes are logs
    assert not [to for to in said.values() if "memfd:itk2-route" in to or "itk2-counters" in to], said


def started_by(php, native, attack):
    """The report of a program that the script starts."""
    report = ReportFile(native.folder)
    said = php("program", program=native.folder / "alone", arguments=f"{report.path}%20{attack.replace(' ', '%20')}")
    assert said["status"] == "0", said
    return report.read()


def test_a_program_that_a_script_starts_has_no_way_back(of_itk, of_itk2, native):
    """In mpm-itk it has a full bounding set; here it has what its worker has: nothing."""
    assert started_by(of_itk, native, "go-back 0").mask("before CapBnd") != 0
    report = started_by(of_itk2, native, "go-back 0")
    assert [report.mask(f"{moment} Cap{name}") for moment in ("before", "after")
            for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")] == [0] * 10
    for step in ("capset", "ambient", "setgroups", "setresgid", "setresuid"):
        assert set(report.outcomes(step)) == {"EPERM"}, report


def test_a_program_that_a_script_starts_inherits_no_descriptor(of_itk2, native):
    """Neither the channel nor a connection: it has nothing to write up to."""
    report = started_by(of_itk2, native, "give-up")
    assert report.outcome("give to own socket") == "ok"
    assert not [line for line in report.lines if line.startswith(("give to socket", "give to pipe", "say"))], report
    assert started_by(of_itk2, native, "find-listening").outcome("listening") == "0"


def test_the_server_serves_as_before(of_itk2):
    of_itk2.target.serves()
