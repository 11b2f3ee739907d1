"""One site takes what it can get, another one is asked meanwhile; with limits, and, as the control, without them.

Every hog ends by itself (itk2_testing/hogs.py): by a size, and within 20 seconds.
"""
import re
import time
from dataclasses import dataclass

import pytest

from itk2_testing import accounts, cgroups, hogs
from itk2_testing.client import request
from itk2_testing.load import Load, Mix
from itk2_testing.waiting import poll

MEBI = 1 << 20
WINDOW = 2.0  # seconds in which the other site's answers are counted
WINDOWS = 3   # of them: what else the machine does may take one or two, and a hog that harms takes all
SHARE = 0.2   # of its rate when nobody else wants anything; with these limits half a processor is left at the least
LIMITS = ("PoolMemoryMax 64M", "PoolCPUMax 50", "PoolProcessesMax 60", "PoolFilesMax 1024")


@dataclass
class Site:
    """The hostile site of one server, the first one; the second one is asked."""
    server: object
    limited: bool

    def __post_init__(self):
        self.signs = hogs.signs(self.server)
        self.held = []
        hogs.install(self.server.plan.sites[0].docroot, accounts.account(0))

    def ask(self, path, count=1):
        for _ in range(count):
            connection = self.server.connect(timeout=60)
            connection.send(request(f"{path}&go={self.signs}/go", "v0.test", close=True))
            self.held.append(connection)
        return self

    def processes(self):
        """Of the site's user: the kernel's own count."""
        uid = accounts.account(0).uid
        found = []
        for process in self.server.processes():
            try:
                if process.status().uids[0] == uid:
                    found.append(process)
            except Exception:  # it has just ended
                continue
        return found

    def cpu_seconds(self):
        ticks = 0
        for process in self.processes():
            try:
                fields = open(f"/proc/{process.pid}/stat", encoding="ascii").read().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
            except OSError:
                continue
        return ticks / 100

    def memory(self):
        total = 0
        for process in self.processes():
            try:
                status = open(f"/proc/{process.pid}/status", encoding="ascii").read()
                total += int((re.search(r"RssAnon:\s+(\d+)", status) or [0, 0])[1]) * 1024
            except OSError:
                continue
        return total

    def let_go(self):
        (self.signs / "go").touch()
        for connection in self.held:
            connection.close()


def rate(server):
    """Answers of the second site in a second; every request has to succeed."""
    with Load(server, clients=2, mix=Mix(tls=0), first_site=1) as load:
        time.sleep(WINDOW)
        totals = load.stop()
    assert totals.failures == [] and totals.requests > 0
    return totals.requests / totals.seconds


@pytest.fixture(params=[True, False], ids=["limited", "control"])
def site(request, servers):
    sites = servers.user_sites(2, lines=(hogs.UNLIMITED_PHP,))
    if request.param:
        sites[0].lines += LIMITS
    server = servers.start("itk2", sites=sites, tls=False, lines=("PoolQueueLimit 50",))
    server.allow("ITK2311", "ITK2305: workers of itk2t000", "ITK2301: worker of itk2t000", "ITK2502: queue of itk2t000",
                 "ITK2005", "Cannot fork", "Unable to fork")
    found = Site(server, request.param)
    yield found
    found.let_go()


def unloaded(site):
    """The lower of two: a small machine's own rate changes by several times from one window to the next."""
    server = site.server
    assert server.get("/who.txt", "v0.test").status == 200
    return min(rate(server) for _ in range(2))


def assert_has_its_share(site, before):
    found = []
    while len(found) < WINDOWS:
        found.append(rate(site.server))
        if found[-1] > SHARE * before:
            return
    raise AssertionError(f"{found} answers a second, and {before} with nobody else there")


def test_memory(site):
    before = unloaded(site)
    site.ask(f"/memory.php?mib=200&sign={site.signs}/held")
    if site.limited:
        site.server.expect("ITK2311: pool of itk2t000 is at its PoolMemoryMax of 64 MiB")
        assert site.memory() <= 64 * MEBI and not (site.signs / "held").exists()
    else:
        hogs.wait_for(site.signs / "held")
        assert site.memory() > 150 * MEBI
    assert_has_its_share(site, before)


def test_processors(site):
    before = unloaded(site)
    site.ask("/spin.php?", 50)
    poll(lambda: len(site.processes()) >= 8, "the spinning does not begin")
    spent, begin = site.cpu_seconds(), time.monotonic()
    rate(site.server)
    used = (site.cpu_seconds() - spent) / (time.monotonic() - begin)
    if site.limited:
        assert cgroups.limit(site.processes()[0].pid, "cpu") == "50000"
        assert used < 0.8
        assert_has_its_share(site, before)
    else:
        assert used > 0.8


def test_processes(site):
    before = unloaded(site)
    site.ask("/fork.php?count=110")
    if site.limited:
        poll(lambda: len(site.processes()) >= 55, "the forking does not begin")
    else:
        poll(lambda: len(site.processes()) > 100, "the forking does not begin")
    assert_has_its_share(site, before)
    if site.limited:
        assert len(site.processes()) <= 60


def test_descriptors(site):
    before = unloaded(site)
    opened = int(site.server.get("/files.php", "v0.test").body)
    assert (opened < 1024) == site.limited
    assert_has_its_share(site, before)


def test_queue(site):
    """Its workers wait for something, all of them; what comes then has to wait, or is turned away."""
    before = unloaded(site)
    site.ask(f"/memory.php?mib=1&sign={site.signs}/held", 140)
    poll(lambda: len(site.processes()) >= 4, "the waiting does not begin")
    assert_has_its_share(site, before)
