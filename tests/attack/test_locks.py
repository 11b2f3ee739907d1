"""Locks that modules share: one site holds all that it can reach until it is told to let go, another one is asked.

Who waits for a held lock is the kernel's word: /proc/locks for a lock file, the futex's address for a mutex.
"""
import select
import ssl
import threading

import pytest

from attacking import say_go
from itk2_testing.client import request
from itk2_testing.waiting import poll
from two_sites import HOSTILE, OTHER, of_hostile_site, two_sites, word

# mod_ssl's cache has a mutex in memory; those of all else would only hide what is held here.
LINES = ("Mutex posixsem default", "Mutex pthread ssl-cache")
FUTEX = "202"  # x86-64


@pytest.fixture(scope="module")
def of_itk(module_servers, native, found):
    return two_sites("itk", module_servers, native, found, tls=True, lines=LINES)


@pytest.fixture(scope="module")
def of_itk2(module_servers, native, found):
    return two_sites("itk2", module_servers, native, found, tls=True, lines=LINES)


@pytest.fixture(params=["itk", "itk2"])
def target(request):
    return request.getfixturevalue(f"of_{request.param}")


class Hog:
    """A worker of the hostile site that holds every lock that it could take."""

    def __init__(self, target):
        self.target, self.go = target, target.go_file()
        self.connection, self.report = target.begin(f"hold-locks {self.go}", **of_hostile_site())
        found = self.report.wait_for("holding")
        taken = [line.split() for line in found.lines if line.endswith(": ok")]
        self.files = {int(number.strip(":")) for what, number, _ in taken if what == "file"}
        self.mutexes = {number.strip(":") for what, number, _ in taken if what == "mutex"}
        assert self.files and self.mutexes, f"it could take nothing:\n{found}"

    def holds(self):
        return "letting go" not in self.report.read().lines

    def let_go(self):
        say_go(self.go)
        self.report.wait_for("end")
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.go.exists():
            self.let_go()

    def is_waited_for(self, process):
        return process.pid in file_waiters(self.files) or waits_for_futex(process) in self.mutexes


def file_waiters(inodes):
    """Processes that the kernel lets wait for a lock on one of these files."""
    lines = [line.split() for line in open("/proc/locks", encoding="ascii") if "->" in line]
    return {int(fields[5]) for fields in lines if int(fields[6].rpartition(":")[2]) in inodes}


def waits_for_futex(process):
    """Its address, if the process is in such a call."""
    try:
        fields = open(f"/proc/{process.pid}/syscall", encoding="ascii").read().split()
    except OSError:  # it has ended
        return None
    return fields[1] if fields[0] == FUTEX else None


class NewScript:
    """A request for a script that opcache has not: it takes the lock file to add it."""

    def __init__(self, target, site):
        secret = word()
        path = target.write(f"new{secret[:8]}.php", f'<?php echo "{secret}";\n')
        self.connection = target.instance.connect(timeout=60)
        self.connection.send(request(path, site))

    def is_answered(self):
        return bool(select.select([self.connection.socket], [], [], 0)[0])

    def finish(self):
        with self.connection:
            assert self.connection.answer().status == 200


class NewSession:
    """A TLS handshake whose session goes into mod_ssl's cache, and a request after it."""

    def __init__(self, target, site):
        self.target, self.site, self.status = target, site, None
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()

    def _ask(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_TICKET
        with self.target.instance.connect(tls=True, sni=self.site, timeout=120, context=context) as connection:
            self.status = connection.get("/page.txt", self.site).status

    def is_answered(self):
        return self.status is not None

    def finish(self):
        self.thread.join(120)
        assert self.status == 200


def waits(hog, asked):
    """True when somebody of the server waits for what the hog holds, False when the request is answered meanwhile."""
    def known():
        if asked.is_answered():
            return "answered"
        return any(hog.is_waited_for(process) for process in hog.target.instance.processes()) and "waits"
    found = poll(known, "neither answered nor waiting", 60)
    if found == "waits":
        assert not asked.is_answered()
    assert hog.holds(), "too late: the hog let go by itself"
    hog.let_go()
    asked.finish()
    return found == "waits"


NEEDS = pytest.mark.parametrize("needs", [NewScript, NewSession], ids=["opcache", "tls-sessions"])


@NEEDS
def test_a_lock_that_one_site_holds_lets_no_other_wait(target, needs):
    for site in (HOSTILE, OTHER):
        assert target.body("/page.txt", site) == "a page\n"
    with Hog(target) as hog:
        assert waits(hog, needs(target, OTHER)) == target.is_mpm_itk()


@NEEDS
def test_a_lock_that_a_site_holds_lets_itself_wait(of_itk2, needs):
    """The control of the one before: another worker of the same site."""
    with Hog(of_itk2) as hog:
        assert waits(hog, needs(of_itk2, HOSTILE))
