"""A parser in an attacker's hands talks to the master itself: what it is granted is what its configuration names for
undecided routes, whatever it says, however often."""
import re
import struct
from dataclasses import dataclass

import pytest

from attacking import FORBIDDEN, IN_A_GROUP_OUTSIDE, SECRET_GROUP, SITES, plan, say_go, started
from itk2_testing.client import Broken
from itk2_testing.configuration import REPOSITORY
from itk2_testing.waiting import poll

HEADER = REPOSITORY / "server/mpm/itk2/wire/messages.h"
UNDECIDED = {SITES[0].uid, SITES[1].uid}  # named where only a parser can tell
KEYS, VHOSTS = range(8), range(6)         # more than there are
NICE_ZERO, BY_KEY = 20, 1
GRANTED = 1
NONE = 0xffffffff
FLOOD = 100_000


def message_types():
    """{name: number}, as the header has them."""
    listed = re.search(r"enum class Type : std::uint8_t \{(.*?)\};", HEADER.read_text(), re.S).group(1)
    names = re.findall(r"^\s*(\w+)(?: = 1)?,$", re.sub(r"//.*", "", listed), re.M)
    return {name: number for number, name in enumerate(names, 1)}


TYPES = message_types()


def message(kind="ask", code=NICE_ZERO, flags=0, a=0, b=0, vhost=0):
    return struct.pack("=BBHIII", TYPES.get(kind, kind), code, flags, a, b, vhost)


@dataclass(frozen=True)
class Answer:
    """A grant, as it comes down."""
    verdict: int
    uid: int

    @classmethod
    def of(cls, words):
        data = bytes.fromhex(words)
        kind, verdict, _, _, uid = struct.unpack_from("=BBHII", data)
        assert kind == TYPES["grant"], words
        return cls(verdict, uid)


def forge(target, messages, count=1, how="write-up", role="master"):
    """The report of a parser that writes these on the pipe which a process of this role reads."""
    go = target.go_file()
    connection, report = target.begin(f"{how} {go} {count} " + " ".join(part.hex() for part in messages))
    with connection:
        told = report.wait_for("pipes told")
        readers = [target.instance.master] if role == "master" else target.instance.in_role(role)
        read = {name for process in readers for name in process.descriptors().values()}
        pipes = [inode for inode in told.outcomes("pipe") if f"pipe:[{inode}]" in read]
        assert len(pipes) == 1, f"{role} reads {pipes}:\n{told}"
        say_go(go, pipes[0])
        try:
            connection.answer()
        except (Broken, OSError):
            pass
    return report.read()


def answers(report):
    return [Answer.of(words) for words in report.outcomes("answer") if re.fullmatch("[0-9a-f]+", words)]


def granted(report):
    """The uids that the kernel lets the parser be; none where it did not live to tell."""
    maps = report.outcomes("after uid_map")
    uids = [int(word) for found in maps for word in found.split()[0::3]]
    assert set(uids) >= {answer.uid for answer in answers(report) if answer.verdict == GRANTED}
    return uids


@pytest.fixture(scope="module")
def target(itk2):
    itk2.instance.allow(r"ITK2205", r"ITK2207", r"ITK2208", r"ITK2301", r"ITK2303")
    return itk2


@pytest.fixture(scope="module")
def vhost(target):
    """The number of the virtual host that takes what an expression says: found by asking for each."""
    asked = {number: granted(forge(target, [message(a=SITES[1].uid, b=SITES[1].gid, vhost=number)]))
             for number in VHOSTS}
    takes = [number for number, uids in asked.items() if uids]
    assert len(takes) == 1 and asked[takes[0]] == [SITES[1].uid], asked
    return takes[0]


def test_what_the_configuration_allows_is_granted_when_asked_for_by_hand(target, vhost):
    """The control of all others here: the pipe, the message and the answer are the right ones."""
    report = forge(target, [message(a=SITES[1].uid, b=SITES[1].gid, vhost=vhost)])
    assert [answer.verdict for answer in answers(report)] == [GRANTED] and granted(report) == [SITES[1].uid]


def test_only_identities_of_undecided_routes_can_be_asked_for_by_key(target):
    """Not the one of the decided site, nor httpd's User."""
    found = {uid for key in KEYS for uid in granted(forge(target, [message(flags=BY_KEY, a=key)]))}
    assert found == UNDECIDED


REFUSED_IDS = {
    "root": (0, 0),
    "root's-group": (SITES[1].uid, 0),
    "a-uid-outside-of-the-range": (FORBIDDEN.uid, SITES[1].gid),
    "a-gid-outside-of-the-range": (SITES[1].uid, SECRET_GROUP),
    "shadow": (SITES[1].uid, 42),
    "an-account-in-a-group-outside-of-the-range": (IN_A_GROUP_OUTSIDE.uid, IN_A_GROUP_OUTSIDE.gid),
    "no-uid": (NONE, SITES[1].gid),
    "no-gid": (SITES[1].uid, NONE),
    "nobody": (65534, 65534),
}


@pytest.mark.parametrize("name", REFUSED_IDS)
def test_ids_out_of_bounds_are_refused_and_logged(target, vhost, name):
    uid, gid = REFUSED_IDS[name]
    report = forge(target, [message(a=uid, b=gid, vhost=vhost)])
    assert granted(report) == [] and GRANTED not in [answer.verdict for answer in answers(report)]
    target.instance.expect(rf"ITK2208: parser \(pid \d+\): request not served as uid {uid}, gid {gid}:")


@pytest.mark.parametrize("nice", [0, 1, 19, 21, 39, 40, 255])
def test_a_nice_value_that_nobody_configured_is_refused(target, vhost, nice):
    report = forge(target, [message(code=nice, a=SITES[1].uid, b=SITES[1].gid, vhost=vhost)])
    assert granted(report) == []


def test_the_servers_own_accounts_are_refused_whatever_the_range(servers, native, found):
    wide = started(servers, plan("itk2", native, 1, 4294967294), native, found)
    instance = wide.instance
    instance.allow(r"ITK2205", r"ITK2207", r"ITK2208", r"ITK2301", r"ITK2303")
    own = {role: poll(lambda: instance.in_role(role), f"no {role}")[0].status()
           for role in ("listener", "spare", "parser")}
    takes = [number for number in VHOSTS
             if granted(forge(wide, [message(a=FORBIDDEN.uid, b=FORBIDDEN.gid, vhost=number)]))]
    assert len(takes) == 1, "the control: a wide range does take others"
    for status in own.values():
        for uid, gid in ((status.uids[0], SITES[1].gid), (SITES[1].uid, status.gids[0]),
                         (status.uids[0], status.gids[0])):
            assert granted(forge(wide, [message(a=uid, b=gid, vhost=takes[0])])) == [], own
    assert granted(forge(wide, [message(a=0, b=0, vhost=takes[0])])) == []


GARBAGE = {
    **{f"a-{name}": [message(name)] for name in TYPES if name != "ask"},
    "type-0": [message(0)],
    "type-255": [message(255)],
    "one-byte": [b"\x14"],
    "half-a-message": [message()[:8]],
    "one-byte-more": [message() + b"\0"],
    "a-page": [b"\xff" * 2000],
    "two-at-once": [message(a=0, b=0) + message(a=0, b=0)],
}


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_ask_is_granted_nothing(target, name):
    """The parser is ended for it, or refused; the log says so."""
    before = len(re.findall("ITK220[78]", target.instance.log()))
    report = forge(target, GARBAGE[name])
    assert granted(report) == []
    poll(lambda: len(re.findall("ITK220[578]", target.instance.log())) > before, "no line in the log")


FLOODS = {"root": message(a=0, b=0), "no-key": message(flags=BY_KEY, a=NONE), "garbage": b"\xff" * 16}


@pytest.mark.parametrize("name", FLOODS)
@pytest.mark.parametrize("how", ["write-up", "ask-and-hear"])
def test_a_flood_is_granted_nothing_and_stops_nobody(target, name, how):
    """100,000 of them; whether or not their answers are read, neither the server nor its log drowns."""
    length = len(target.instance.log())
    report = forge(target, [FLOODS[name]], FLOOD, how)
    assert granted(report) == []
    target.serves()
    lines = target.instance.log()[length:].count("\n")
    assert 1 <= lines < 1000, f"{lines} lines in the log:\n{report}"


NONSENSE = {"reports": message("report"), "asks": message(), "noise": b"\xff" * 16, "part-of-a-message": b"\xff"}


@pytest.mark.parametrize("name", NONSENSE)
def test_the_listener_takes_no_nonsense_from_a_parser(target, name):
    report = forge(target, [NONSENSE[name]], 1000, role="listener")
    assert granted(report) == []
    target.serves()


def test_master_and_listener_are_the_same_processes_after_all_of_it(target):
    master, listeners = target.instance.master, target.instance.in_role("listener")
    assert master.alive() and len(listeners) == 1
    assert "ITK2102" not in target.instance.log()
    target.serves()
