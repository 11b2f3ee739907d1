"""What a kernel or a container may lack, one thing after the other, taken away from a whole server: it serves, saying
so where something is weaker, or it does not start; as docs/OPERATIONS.md has it."""
import re
from dataclasses import dataclass

import pytest

from attacking import Target, plan
from failing_calls import (ASKED, CLONE_NEWUSER, DECIDED, UNDECIDED, Call, Failing, decided_plan, wrapper)
from itk2_testing.configuration import REPOSITORY
from itk2_testing.waiting import poll

PAGE = REPOSITORY / "docs/OPERATIONS.md"
HEADING = "## Where kernel or container lack something"
SO_PASSRIGHTS = 83
SERVES, REFUSES = "serves", "does not start"


@dataclass(frozen=True)
class Lack:
    """A row of the page's table: what is missing, and what follows for a server without parsers and for one with."""
    calls: tuple
    decided: str = SERVES
    undecided: str = SERVES
    says: str = ""      # how it is said
    without_parsers_says: str = ""  # where that is another line
    errors: tuple = ("ENOSYS", "EPERM")


MATRIX = {
    "user namespaces": Lack((Call("clone", 0, CLONE_NEWUSER, CLONE_NEWUSER),), undecided=REFUSES, says="ITK2211"),
    "setns": Lack((Call("setns"),), undecided=REFUSES, says="ITK2211"),
    "keyctl": Lack((Call("keyctl"),), says="ITK2011"),
    "close_range": Lack((Call("close_range"),)),
    "clone3": Lack((Call("clone3"),)),
    "pidfd": Lack((Call("pidfd_open"), Call("pidfd_send_signal"))),
    "landlock": Lack((Call("landlock_create_ruleset"),), says="ITK2112", errors=("ENOSYS",)),
    "landlock, forbidden": Lack((Call("landlock_create_ruleset"),), REFUSES, REFUSES, "hide-files", errors=("EPERM",)),
    "seccomp": Lack((Call("seccomp"),), says="ITK2112", errors=("ENOSYS",)),
    "seccomp, forbidden": Lack((Call("seccomp"),), REFUSES, REFUSES, "filter-calls", errors=("EPERM",)),
    "mseal": Lack((Call("mseal"),)),
    "SO_PASSRIGHTS": Lack((Call("setsockopt", 2, SO_PASSRIGHTS),)),
    "memfd_create": Lack((Call("memfd_create"),), REFUSES, REFUSES, "ITK2211", "make-memfd"),
    "PR_SET_CHILD_SUBREAPER": Lack((Call("prctl", 0, 36),), REFUSES, REFUSES, "adopt-orphans"),
    "cgroup v2": Lack(()),
}


@pytest.fixture
def start(servers, native, found):
    begun = []

    def begin(of, prefix):
        instance = servers.make(decided_plan() if of == DECIDED else plan("itk2", native))
        Target(instance, native, found)
        instance.wrapper = prefix
        begun.append(Failing(instance))
        return begun[-1]
    yield begin
    for failing in begun:
        failing.end()


def without(native, calls, error):
    return tuple(word for call in calls for word in wrapper(native, call, error))


# Nothing is mounted where cgroups are looked for.
NO_CGROUPS = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"', "sh")


def follows(start, of, prefix, lack):
    failing = start(of, prefix)
    expected = lack.decided if of == DECIDED else lack.undecided
    says = (of == DECIDED and lack.without_parsers_says) or lack.says
    site, path = ASKED[of]
    if expected == REFUSES:
        poll(lambda: failing.has_ended() or failing.served(path, site), "neither serves nor ends", 60)
        assert failing.has_ended(), f"serves: {failing.said()}"
        assert [line for line in failing.said().splitlines() if "ITK2" in line and says in line], failing.said()
        return
    poll(lambda: failing.served(path, site) or failing.has_ended(), lambda: failing.said(), 60)
    assert failing.served(path, site), failing.said()
    said = [line for line in failing.said().splitlines() if "ITK2" in line]
    if lack.says.startswith("ITK") and lack.undecided == SERVES:
        assert [line for line in said if lack.says in line], said
    assert not [line for line in said if re.search("ITK2401|ITK2[123]0[1236]: .*(step|end at birth)", line)], said


@pytest.mark.parametrize("of", [DECIDED, UNDECIDED])
@pytest.mark.parametrize("name,error", [(name, error) for name in MATRIX if MATRIX[name].calls
                                        for error in MATRIX[name].errors])
def test_what_is_missing_is_said_or_refused(start, native, name, error, of):
    follows(start, of, without(native, MATRIX[name].calls, error), MATRIX[name])


@pytest.mark.parametrize("of", [DECIDED, UNDECIDED])
def test_without_cgroups_it_serves(start, of):
    follows(start, of, NO_CGROUPS, MATRIX["cgroup v2"])


@pytest.mark.parametrize("of", [DECIDED, UNDECIDED])
def test_with_all_of_it_nothing_is_said(start, of):
    """The control of the lines that the others look for."""
    failing = start(of, ())
    poll(lambda: failing.served(ASKED[of][1], ASKED[of][0]), lambda: failing.said(), 60)
    assert not [lack.says for lack in MATRIX.values() if lack.says and lack.says in failing.said()]


def test_the_page_has_the_same_table():
    rows = re.search(re.escape(HEADING) + r"\n(.*?)\n(?:## |\Z)", PAGE.read_text(), re.S).group(1)
    table = {cells[1].strip(): (cells[2].strip(), cells[3].strip(), line) for line in rows.splitlines()
             if line.startswith("| ") and (cells := line.split("|"))[1].strip() in MATRIX}
    assert set(table) == set(MATRIX)
    for name, lack in MATRIX.items():
        decided, undecided, line = table[name]
        assert decided.startswith(lack.decided) and undecided.startswith(lack.undecided), name
        assert not lack.says or lack.says in line, name
