"""What the audit reads is anybody's text, and processes come and go under its eyes."""
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

import kernel
from itk2_audit import command, credentials, processes, reading, report
from itk2_audit.finding import CHECKS
from itk2_testing.waiting import poll
from life import OTHER
from looking import FAKES, look, run
from plants import afterwards, having

MAN = Path(__file__).resolve().parents[2] / "docs/man/itk2-audit.8"
ESCAPE = "\x1b[2J"


def test_control_characters_of_processes_do_not_reach_the_terminal(planted):
    def hostile(life):
        return os.open(life.server.folder / f"{ESCAPE}\nok\u202e\udcff", os.O_RDONLY | os.O_CREAT, 0o600)
    with planted(one=lambda life: (life.opens.append(hostile), afterwards(
            lambda life: kernel.set_title(f"itk2: {ESCAPE}spare"))(life))) as server:
        for done in (run(server.master, *FAKES), run(server.master, "--json", *FAKES)):
            assert done.returncode == 1
            assert "foreign-file" in done.stdout and "x1b[2J" in done.stdout
            assert not set(done.stdout) & {"\x1b", "\u202e", "\udcff", "\r"}
            assert not [line for line in done.stdout.splitlines() if line.startswith("ok")]


def test_process_that_ends_while_it_is_read_is_no_finding(planted, monkeypatch):
    options = command.Options(command.parser().parse_args(FAKES))
    read_rest = processes.Process._read_rest

    def end_first(process, pid):
        if pid == server.pids["one"]:
            os.kill(pid, signal.SIGKILL)
            poll(lambda: not os.path.exists(f"/proc/{pid}") or reading.stat_fields(pid)[0] == "Z", "it does not end")
        read_rest(process, pid)
    with planted(one=having(bounding=1)) as server:
        monkeypatch.setattr(processes.Process, "_read_rest", end_first)
        instance, found = command.auditing.audit(server.master, options, command.auditing.Life())
        assert not found and server.pids["one"] not in {one.pid for one in instance.processes}


def test_later_process_of_the_same_number_is_another_one(monkeypatch):
    fields, asked = reading.stat_fields, []

    def reused(pid):
        found = fields(pid)
        asked.append(pid)
        if len(asked) > 1:
            found[19] = str(int(found[19]) + 1)
        return found
    monkeypatch.setattr(reading, "stat_fields", reused)
    with pytest.raises(reading.Vanished):
        processes.Process(os.getpid())


def test_process_that_becomes_another_while_it_is_read_is_read_again(monkeypatch):
    """One snapshot has the credentials of one moment."""
    uids = iter([0, 30001] + [30001] * 20)
    original = credentials.Credentials

    def changing(path):
        made = original(path)
        made.uids = (next(uids),) * 4
        return made
    monkeypatch.setattr(processes, "Credentials", changing)
    assert processes.Process(os.getpid()).own.uids == (30001,) * 4


def test_not_root_is_told_and_is_status_2(planted):
    with planted() as server:
        done = run(server.master, wrapper=("setpriv", "--reuid", str(OTHER), "--clear-groups"))
        assert done.returncode == 2 and "needs root" in done.stderr and not done.stdout


def test_hidden_proc_is_told_and_is_status_2(planted):
    """Root without the capability sees as little as behind hidepid."""
    with planted() as server:
        done = run(server.master, *FAKES, wrapper=("setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-all"))
        assert done.returncode == 2 and "CAP_SYS_PTRACE" in done.stderr and not done.stdout


@pytest.mark.parametrize("server,said", [("999999999", "no process"), ("/nonexistent/pid", "No such file"),
                                         ("/dev/null", "holds no number"), (str(os.getpid()), "no master")])
def test_no_server_is_told_and_is_status_2(server, said):
    done = run(server)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_server_that_root_has_not_started_is_told_and_is_status_2():
    sleeping = subprocess.Popen(["sleep", "600"], user=OTHER, group=OTHER)
    try:
        done = run(sleeping.pid, "--foreign")
        assert done.returncode == 2 and "not root" in done.stderr
    finally:
        sleeping.kill()
        sleeping.wait(60)


@pytest.mark.parametrize("arguments", [("--watch", "0"), ("--identity", "no-such-user"), ("--no-such-option",),
                                       ("--identity", "root:no-such-group"), ("--rounds", "x")])
def test_wrong_usage_is_status_2(arguments):
    done = run(*arguments)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr


def test_master_is_found_by_its_pid_file_and_without_any_word(planted):
    with planted() as server:
        file = server.folder / "pid"
        file.write_text(f"{server.master}\n")
        assert look(file, *FAKES).whole["master"] == server.master
        done = run("--json", *FAKES)
        assert f'"master": {server.master}' in done.stdout


def test_watch_ends_with_the_server_and_tells_of_what_it_has_seen(planted, tmp_path):
    said = tmp_path / "said"
    with planted(one=having(bounding=1)) as server:
        watching = subprocess.Popen([*"/usr/bin/python3 -m itk2_audit --watch 0.1".split(), str(server.master), *FAKES],
                                    env={**os.environ, "PYTHONPATH": str(MAN.parents[2] / "tools")},
                                    stdout=said.open("w"))
        poll(lambda: "1 finding" in said.read_text(), said.read_text)
    assert watching.wait(60) == 1
    assert "not all held" in said.read_text() and said.read_text().count("bounding set holds chown") == 1


def test_page_explains_every_check():
    page = re.findall(r'^\.BR "([a-z\\-]+)" " \((I\d+)\)"$', MAN.read_text(), re.MULTILINE)
    assert [(name.replace("\\-", "-"), invariant) for name, invariant in page] == [
        (name, invariant) for name, (invariant, _what) in CHECKS.items()]


def test_page_and_completion_have_every_option():
    options = {option for action in command.parser()._actions for option in action.option_strings
               if option.startswith("--")} - {"--help"}
    page = MAN.read_text().replace("\\-", "-")
    completion = (MAN.parents[2] / "tools/completions/itk2-audit").read_text()
    assert not [option for option in options if option not in page or option not in completion]


def test_table_is_a_tree_with_a_verdict_for_each(planted):
    with planted(spare=having(bounding=1)) as server:
        lines = run(server.master, *FAKES).stdout.splitlines()
        assert re.match(r"master +%d +root .* ok$" % server.master, lines[1])
        assert re.match(r"  spare +%d .* I4 spare-capabilities$" % server.pids["spare"], lines[3])
        assert len(lines[:lines.index("")]) == 7


def test_capability_sets_are_short():
    assert report.printable(credentials.shown(credentials.SET_IDS)) == "setgid+setuid"
    assert credentials.shown(0) == "none" and credentials.shown((1 << 41) - 1) == "41 of them"


def test_every_file_is_installed():
    sources = MAN.parents[2] / "tools/itk2_audit"
    listed = re.findall(r"\$\(audit\)/(\w+\.py)", (sources / "build.am").read_text())
    assert sorted(listed) == sorted(path.name for path in sources.glob("*.py") if path.name != "__main__.py")
