"""What modules and httpd share in memory: cached scripts, the scoreboard; read and overwritten by another site."""
import re

import pytest

from itk2_testing.client import request
from two_sites import HOSTILE, OTHER, of_hostile_site, of_parser, two_sites, word

SCRIPT, LINE = "in-a-script-", "in-a-line-"  # what is before the words that are looked for
POSITIONS = {"worker": of_hostile_site, "parser": of_parser}


@pytest.fixture(scope="module")
def of_itk(module_servers, native, found):
    return two_sites("itk", module_servers, native, found)


@pytest.fixture(scope="module")
def of_itk2(module_servers, native, found):
    return two_sites("itk2", module_servers, native, found)


@pytest.fixture(params=["itk", "itk2"])
def target(request):
    return request.getfixturevalue(f"of_{request.param}")


def cached(target, name, site):
    """The word in a script of the site that opcache has: (word, path)."""
    secret = word()
    path = target.write(f"{name}{secret[:8]}.php", f'<?php $word = "{SCRIPT}{secret}"; echo $word, "\\n";\n')
    for _ in range(2):
        assert target.body(path, site) == f"{SCRIPT}{secret}\n"
    return secret, path


def attack(target, line, place, path="/page.txt"):
    report = target.attack(line, **place(path))
    if place is of_parser and not target.is_mpm_itk():
        assert report.outcome("before uid_map") == "", f"no parser\n{report}"
    return report


def seen(report):
    return {kind: report.outcomes(f"found in {kind} memory") for kind in ("shared", "private")}


@pytest.mark.parametrize("place", POSITIONS.values(), ids=POSITIONS)
def test_a_script_that_is_cached_for_another_site_is_read_by_none(target, place):
    secret, _ = cached(target, "other", OTHER)
    report = attack(target, f"read-memory {SCRIPT}", place)
    assert (secret in seen(report)["shared"]) == target.is_mpm_itk(), report
    assert target.is_mpm_itk() or secret not in seen(report)["private"], report


def test_a_site_finds_its_own_cached_script(of_itk2):
    """The control of the one before."""
    secret, _ = cached(of_itk2, "own", HOSTILE)
    report = of_itk2.attack(f"read-memory {SCRIPT}", **of_hostile_site())
    assert secret in seen(report)["shared"], report


def poisoned(target, secret, path, site):
    """Whether the site's next answer is what the hostile one has made of it."""
    new = word()
    target.attack(f"overwrite-word {SCRIPT}{secret} {SCRIPT}{new}", **of_hostile_site())
    body = target.body(path, site)
    assert body in (f"{SCRIPT}{secret}\n", f"{SCRIPT}{new}\n"), body
    return new in body


def test_a_script_that_is_cached_for_another_site_is_overwritten_by_none(target):
    assert poisoned(target, *cached(target, "other", OTHER), OTHER) == target.is_mpm_itk()


def test_a_site_overwrites_its_own_cached_script(of_itk2):
    """The control of the one before."""
    assert poisoned(of_itk2, *cached(of_itk2, "own", HOSTILE), HOSTILE)


class Asked:
    """A request of the other site whose worker stays with its connection."""

    def __init__(self, target):
        self.target, self.word = target, word()
        self.connection = target.instance.connect(timeout=60)
        answer = self.connection.send(request(f"/page.txt?{LINE}{self.word}", OTHER)).answer()
        assert answer.status == 200, answer
        self.pid = self.shown_pid()
        assert self.pid in {process.pid for process in target.instance.processes()}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def shown_pid(self):
        """What the status says to who may see all: the pid beside this request."""
        rows = re.findall(r"<tr>.*?</tr>", self.target.body("/server-status", "all.test"), re.DOTALL)
        pids = [re.search(r"<td>(\d+)</td>", row) for row in rows if self.word in row]
        return int(pids[0][1]) if pids else None


@pytest.mark.parametrize("how", ["read-memory", "read-grown-memory"])
@pytest.mark.parametrize("place", POSITIONS.values(), ids=POSITIONS)
def test_a_request_line_is_read_by_no_other_site(target, how, place):
    own = word()
    with Asked(target) as asked:
        report = attack(target, f"{how} {LINE}", place, f"/page.txt?{LINE}{own}")
    found = seen(report)
    assert own in found["private"] + found["shared"], f"the control: its own\n{report}"
    assert (asked.word in found["shared"]) == target.is_mpm_itk(), report
    assert target.is_mpm_itk() or asked.word not in found["private"], report
    if how == "read-grown-memory":
        assert report.numbers("grown")[0] > 0, report


def test_what_the_status_says_of_another_site_is_changed_by_none(target):
    no_process = 4194304  # the kernel's greatest is one less
    with Asked(target) as asked:
        target.attack(f"overwrite-number {asked.pid} {no_process}", **of_hostile_site())
        assert asked.shown_pid() == (no_process if target.is_mpm_itk() else asked.pid)
        target.attack(f"overwrite-word {LINE}{asked.word} {LINE}{word()}", **of_hostile_site())
        assert asked.shown_pid() == (None if target.is_mpm_itk() else asked.pid)


def test_a_worker_changes_what_the_status_says_of_itself(of_itk2):
    """The control of the one before."""
    own = word()
    report = of_itk2.attack(f"overwrite-word {LINE}{own} {LINE}{word()}", **of_hostile_site(f"/page.txt?{LINE}{own}"))
    assert report.numbers("overwritten")[0] > 0, report


def test_the_server_serves_as_before(of_itk2):
    for site in (HOSTILE, OTHER):
        assert of_itk2.body("/page.txt", site) == "a page\n"
