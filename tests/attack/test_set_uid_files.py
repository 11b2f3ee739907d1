"""Programs with a set-uid bit or with capabilities of their own, started by native code: what the program may do is
between its owner and the kernel; the process that starts it gains nothing for itself, and no capability comes back."""
import os
import shutil
import subprocess

import pytest

from attacking import FORBIDDEN, REFUSED, SITES, ReportFile, plan, started

DECIDED = {"site": "decided.test", "path": "/page.txt", "at": "fixups"}
FROM_PARSERS = {"worker-that-was-a-parser": {"at": "fixups"}, "parser": {"at": "read"}}
ALL = {"worker": DECIDED, **FROM_PARSERS}


@pytest.fixture(scope="module")
def programs(native):
    """Programs that report what they are, by what they have beyond their caller."""
    folder = native.folder / "programs"
    folder.mkdir()
    made = {}
    for name, uid, gid, mode in (("plain", 0, 0, 0o755), ("root", 0, 0, 0o4755), ("root-group", 0, 0, 0o2755),
                                 ("other-site", SITES[0].uid, SITES[0].gid, 0o6755),
                                 ("forbidden", FORBIDDEN.uid, FORBIDDEN.gid, 0o4755)):
        made[name] = folder / name
        shutil.copy(native.folder / "alone", made[name])
        os.chown(made[name], uid, gid)
        made[name].chmod(mode)
    for name, capabilities in (("effective", "cap_setuid,cap_setgid+ep"), ("permitted", "cap_setuid,cap_setgid+p"),
                               ("files", "cap_dac_override,cap_dac_read_search+ep")):
        made[name] = folder / name
        shutil.copy(native.folder / "alone", made[name])
        subprocess.run(["setcap", capabilities, made[name]], check=True, timeout=60)
    return made


def run(target, program, place, attack="go-back 0"):
    """What the program has reported; None where it could not be started."""
    report = ReportFile(target.instance.directory)
    outer = target.attack(f"run {program} {report.path} {attack}", **place)
    return report.read() if report.read().lines else outer


def capabilities(report):
    return [report.mask(f"{moment} Cap{name}") for moment in ("before", "after") for name in ("Prm", "Eff", "Bnd", "Amb")]


def test_a_plain_program_reports_what_it_is(itk2, programs):
    """The control: the way it is started works."""
    report = run(itk2, programs["plain"], DECIDED)
    assert report.numbers("before Uid") == (SITES[2].uid,) * 4 and capabilities(report) == [0] * 8


@pytest.mark.parametrize("program", ["root", "effective", "files"])
def test_mpm_itks_worker_gets_capabilities_back(itk, programs, program):
    """The control: its bounding set is full."""
    report = run(itk, programs[program], DECIDED)
    assert report.mask("before CapEff") != 0 and report.mask("before CapBnd") != 0, report


def test_a_file_with_capabilities_reads_roots_file_in_mpm_itk_and_does_not_start_here(itk, itk2, programs, found):
    attack = f"read {found.root}"
    assert run(itk, programs["files"], DECIDED, attack).has_read(found.root, found.words), "mpm-itk withstands it"
    report = run(itk2, programs["files"], DECIDED, attack)
    assert report.outcome("exec") == "EPERM" and not report.has_read(found.root, found.words)


@pytest.mark.parametrize("position", ALL)
@pytest.mark.parametrize("program", ["effective", "permitted", "files"])
def test_capabilities_of_files_come_back_to_nobody(itk2, programs, program, position):
    report = run(itk2, programs[program], ALL[position])
    if report.outcomes("exec"):
        assert report.outcome("exec") in ("EPERM", "EACCES")
    else:
        assert report.outcome("before Uid").split()[0] == report.outcome("after Uid").split()[0]
        assert [report.mask(f"after Cap{name}") for name in ("Bnd", "Amb")] == [0, 0]
        if position == "parser":
            assert "ok" not in report.outcomes("setresuid") + report.outcomes("setgroups")
        else:
            assert capabilities(report) == [0] * 8, report


@pytest.mark.parametrize("program", ["root", "root-group", "forbidden", "other-site"])
def test_a_set_uid_program_has_its_owners_uid_and_no_capability(itk2, programs, program):
    """From a worker of a pool, as sudo and exim need it: no third user, no group, no capability beyond that."""
    report = run(itk2, programs[program], DECIDED, f"go-back {FORBIDDEN.uid + 1}")
    owner = programs[program].stat()
    if program != "root-group":
        assert report.numbers("before Uid") == (SITES[2].uid, owner.st_uid, owner.st_uid, owner.st_uid)
    assert capabilities(report) == [0] * 8, report
    assert set(report.outcomes("capset")) | {report.outcomes("setgroups")[0]} == {"EPERM"}
    assert report.outcomes("setresuid")[0] == "EPERM", report


@pytest.mark.parametrize("position", FROM_PARSERS)
@pytest.mark.parametrize("program", ["root", "root-group", "forbidden", "other-site"])
def test_in_a_parsers_namespace_a_set_uid_bit_is_nothing(itk2, programs, program, position):
    report = run(itk2, programs[program], FROM_PARSERS[position])
    if report.outcomes("exec"):
        assert report.outcome("exec") in ("EPERM", "EACCES"), report
        return
    assert len(set(report.numbers("before Uid"))) == len(set(report.numbers("before Gid"))) == 1, report
    assert "ok" not in report.outcomes("setgroups") + report.outcomes("capset")


@pytest.mark.parametrize("position", ALL)
def test_who_has_started_one_is_what_he_was(itk2, programs, position):
    itk2.attack(f"run {programs['root']} /dev/null read /dev/null", **ALL[position])
    after = itk2.attack("go-back 0", **ALL[position])
    assert after.outcome("after Uid") == after.outcome("before Uid")
    assert "ok" not in [after.outcomes(step)[0] for step in ("setgroups", "setresgid", "setresuid")]
    assert position == "parser" or after.outcomes("capset") == ["EPERM"]


@pytest.fixture(scope="module")
def helped(module_servers, native, found):
    """A server whose sites asked for what set-uid programs give."""
    return started(module_servers, plan("itk2", native, lines=("SetUidPrograms On",)), native, found)


def test_where_sites_asked_for_them_such_programs_have_what_their_owner_has(helped, programs):
    """The control: the bounding set is there, so what follows is not its absence's doing."""
    report = run(helped, programs["root"], DECIDED)
    assert report.mask("before CapEff") != 0 and report.mask("before CapBnd") != 0, report


@pytest.mark.parametrize("uid", [0, SITES[0].uid, FORBIDDEN.uid])
def test_where_sites_asked_for_them_a_worker_itself_has_no_way_back(helped, programs, uid):
    helped.attack(f"run {programs['root']} /dev/null read /dev/null", **DECIDED)
    report = helped.attack(f"go-back {uid}", **DECIDED)
    for step in ("capset", "ambient", "setgroups", "setresgid", "setresuid"):
        assert report.outcomes(step) and set(report.outcomes(step)) <= REFUSED, f"{step}:\n{report}"
    assert report.mask("before CapBnd") != 0
    for line in ("Uid", "Gid", "Groups", "CapPrm", "CapEff", "CapAmb", "CapBnd"):
        assert report.outcome(f"after {line}") == report.outcome(f"before {line}")
    assert report.mask("after CapPrm") == report.mask("after CapEff") == report.mask("after CapAmb") == 0


@pytest.mark.parametrize("position", FROM_PARSERS)
@pytest.mark.parametrize("program", ["root", "files", "other-site"])
def test_where_sites_asked_for_them_parsers_gain_nothing_all_the_same(helped, programs, program, position):
    report = run(helped, programs[program], FROM_PARSERS[position])
    if report.outcomes("exec"):
        assert report.outcome("exec") in ("EPERM", "EACCES"), report
        return
    assert len(set(report.numbers("before Uid"))) == 1, report
    assert [report.mask(f"after Cap{name}") for name in ("Bnd", "Amb")] == [0, 0]
    assert "ok" not in report.outcomes("setgroups") + report.outcomes("capset")
