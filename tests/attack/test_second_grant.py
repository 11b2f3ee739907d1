"""A parser is granted one identity, once. In mpm-itk a process that has parsed a request is as many as it likes."""
import pytest

from attacking import ACCOMPLICE, FORBIDDEN, REFUSED, SECRET_GROUP, SITES, Accomplice, say_go
from itk2_testing import proc
from itk2_testing.waiting import poll

GRANTED, OTHER = SITES[1], SITES[2]  # what the requests here are served as, and what they are not
PATH = f"/as/{GRANTED.name}/page.txt"
LIVES = ((GRANTED, 1), (OTHER, 2))   # each with the place of its secret


def lives(found):
    return " ".join(f"{user.uid} {user.gid} {found.sites[number]}" for user, number in LIVES)


def one_line(map_of):
    """The ids of a map of single ids to themselves."""
    numbers = [int(word) for word in map_of.replace("|", " ").split()]
    assert numbers[0::3] == numbers[1::3] and set(numbers[2::3]) == {1}, map_of
    return numbers[0::3]


@pytest.fixture
def behind(itk2, found):
    """(pid, its report's file, its go-file): a process that a parser left behind and that has the parser's namespace
    and capabilities, after the parser has been granted and has answered."""
    go = itk2.go_file()
    connection, report = itk2.begin(f"stay-behind {go} {lives(found)} {FORBIDDEN.uid} {FORBIDDEN.gid} {found.forbidden}"
                                    f" {ACCOMPLICE.uid} {ACCOMPLICE.gid} {found.forbidden} 0 0 {found.root}")
    with connection:
        assert connection.answer().status == 200
    told = report.wait_for("waits")
    yield int(told.outcome("before Pid")), report, go
    if not go.exists():
        say_go(go)
        report.wait_for("end of what stayed behind")


def test_mpm_itk_is_two_users_in_one_life(itk, found):
    report = itk.attack(f"two-lives {lives(found)}")
    assert len(set(report.outcomes("life Pid"))) == 1
    assert [report.has_read(found.sites[number], found.words) for _, number in LIVES] == [True, True], report


def test_a_worker_that_was_a_parser_is_one_user_and_holds_nothing(itk2):
    report = itk2.attack("read /dev/null", at="fixups")
    assert report.numbers("before Uid") == (GRANTED.uid,) * 4 and report.numbers("before Gid") == (GRANTED.gid,) * 4
    assert set(report.numbers("before Groups")) == set(GRANTED.groups)
    assert [report.mask(f"before Cap{name}") for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")] == [0] * 5
    assert one_line(report.outcome("before uid_map")) == [GRANTED.uid]
    assert set(one_line(report.outcome("before gid_map"))) == {GRANTED.gid, *GRANTED.groups}


def test_a_worker_that_was_a_parser_has_no_second_life(itk2, found):
    report = itk2.attack(f"two-lives {lives(found)}", at="fixups")
    assert report.has_read(found.sites[1], found.words), "the control: its own user's file"
    assert not report.has_read(found.sites[2], found.words), report
    assert set(report.outcomes("life Uid")) == {report.outcome("before Uid")}
    assert set(report.outcomes("life CapPrm")) == {"0" * 16}


@pytest.mark.parametrize("uid,gid", [(OTHER.uid, OTHER.gid), (FORBIDDEN.uid, SECRET_GROUP), (0, 0)])
def test_a_worker_that_was_a_parser_writes_no_second_map(itk2, uid, gid):
    report = itk2.attack(f"map-myself {uid} {gid}", at="fixups")
    written = [line for line in report.lines if line.startswith(("write ", "open "))]
    assert len(written) == 3 and not [line for line in written if line.endswith(": ok")], report
    for name in ("Uid", "Gid", "Groups", "uid_map", "gid_map"):
        assert {report.outcome(f"after {name}"), report.outcome(f"then {name}")} == {report.outcome(f"before {name}")}


def write_map(pid, name, line):
    """What the kernel says when root writes it: 0, or an error's number."""
    try:
        with open(f"/proc/{pid}/{name}", "wb", buffering=0) as file:
            file.write(line)
        return 0
    except OSError as error:
        return error.errno


def test_the_kernel_refuses_a_second_map_to_root_itself(itk2, native, found, behind):
    """What the master may do no more. The control is a namespace whose maps root writes for the first time."""
    pid, _, _ = behind
    lines = {name: b"%d %d 1\n" % (OTHER.uid, OTHER.uid) for name in ("gid_map", "uid_map")}
    with Accomplice(native, ACCOMPLICE, OTHER.uid, found.sites[2]) as accomplice:
        assert [write_map(accomplice.pid, name, line) for name, line in lines.items()] == [0, 0]
        assert [write_map(accomplice.pid, name, line) for name, line in lines.items()] == [1, 1]
        assert accomplice.try_it().has_read(found.sites[2], found.words)
    assert [write_map(pid, name, line) for name, line in lines.items()] == [1, 1]


def test_what_stays_behind_a_parser_is_held_to_its_grant(itk, itk2, found, behind):
    """A child from before the grant keeps the two capabilities. It can be the granted user, as its parent is, and
    nobody else; behind mpm-itk it is anybody."""
    go = itk.go_file()
    connection, report = itk.begin(f"stay-behind {go} {lives(found)}")
    with connection:
        assert connection.answer().status == 200
    say_go(go)
    of_itk = report.wait_for("end of what stayed behind")
    assert of_itk.has_read(found.sites[2], found.words), f"no attack at all: mpm-itk withstands it\n{of_itk}"

    _, report, go = behind
    say_go(go)
    seen = report.wait_for("end of what stayed behind")
    assert one_line(seen.outcome("behind uid_map")) == [GRANTED.uid]
    assert set(one_line(seen.outcome("behind gid_map"))) == {GRANTED.gid, *GRANTED.groups}
    assert seen.has_read(found.sites[1], found.words), f"the control: the granted user's file\n{seen}"
    assert not [word for path, word in found.words.items() if path != found.sites[1] and word in str(seen)], seen
    assert [outcome == "ok" for outcome in seen.outcomes("setresuid")] == [True] + [False] * 4, seen
    assert [outcome == "ok" for outcome in seen.outcomes("setgroups")] == [True] + [False] * 4, seen
    assert set(seen.outcomes("setresuid")) <= {"ok"} | REFUSED


def test_what_stays_behind_a_parser_can_ask_for_nothing_more(itk2, behind):
    """The pipe it was granted by has no reader left: the master has closed it."""
    pid, _, _ = behind
    held = {target for target in proc.Process.of(pid).descriptors().values() if target.startswith("pipe:")}
    master = set(itk2.instance.master.descriptors().values())
    poll(lambda: not held & set(itk2.instance.master.descriptors().values()),
         lambda: f"the master still holds {held & master}")


def test_both_servers_serve_as_before(itk, itk2):
    itk.serves()
    itk2.serves()
