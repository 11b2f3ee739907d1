"""A session keyring belongs to whoever is in it, whatever his uid: root's, where the server was started from a login,
and every other site's."""
import secrets

import pytest

import hostile_listener
import keys
from attacking import Target, plan
from hostile_listener import HostileListener

DECIDED = {"site": "decided.test", "path": "/page.txt", "at": "fixups"}
OTHER_SITE = {"site": "undecided.test", "path": "/page.txt", "at": "fixups"}


class Started:
    """A server started by root from a session whose keyring holds a key."""

    def __init__(self, target):
        self.name, self.content = f"itk2-{secrets.token_hex(4)}", secrets.token_hex(16)
        self.target = target
        target.instance.start("foreground",
                              preexec_fn=lambda: keys.begin_session_with_a_key(self.name, self.content))

    def reads(self, report):
        return self.content in str(report)


@pytest.fixture(scope="module")
def of_itk(module_servers, native, found):
    return Started(Target(module_servers.make(plan("itk", native)), native, found))


@pytest.fixture(scope="module")
def of_itk2(module_servers, native, found):
    instance = module_servers.make(plan("itk2", native, lines=hostile_listener.LINES))
    return Started(HostileListener(instance, native, found))


def test_mpm_itks_sites_read_roots_keys(of_itk):
    report = of_itk.target.attack(f"read-key {of_itk.name}", **DECIDED)
    assert of_itk.reads(report), f"no attack at all: mpm-itk withstands it\n{report}"


POSITIONS = {"worker": DECIDED, "worker-that-was-a-parser": OTHER_SITE,
             "parser": {"at": "read"}}


@pytest.mark.parametrize("position", POSITIONS)
def test_nobody_reads_roots_keys(of_itk2, position):
    report = of_itk2.target.attack(f"read-key {of_itk2.name}", **POSITIONS[position])
    assert report.outcome("find key") == "ENOKEY" and not of_itk2.reads(report), report


def test_a_listener_does_not_read_roots_keys(of_itk2):
    report = of_itk2.target.attack_in_listener(f"read-key {of_itk2.name}")
    assert report.outcome("find key") == "ENOKEY" and not of_itk2.reads(report), report


def test_one_site_does_not_read_what_another_has_put_there(of_itk, of_itk2):
    for started in (of_itk, of_itk2):
        name, content = f"itk2-{secrets.token_hex(4)}", secrets.token_hex(16)
        assert started.target.attack(f"add-key {name} {content}", **DECIDED).outcome("add key") == "ok"
        report = started.target.attack(f"read-key {name}", **OTHER_SITE)
        assert (content in str(report)) == (started is of_itk), report
