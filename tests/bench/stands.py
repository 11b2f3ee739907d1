"""The stands: which servers are up at a time. What is compared stands side by side, on the same files."""
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from itk2_testing import accounts
from itk2_testing.configuration import Plan, Site, itk2_module
from itk2_testing.instance import Instance
from itk2_testing.sites import Tree
from itk2_testing.waiting import poll

from contenders import LINES, NAMES, PROCESSES, THREADS, Contender, EventPlan, write_files
from rows import ALL, MOST, STAND_ALONE, STAND_HUNDRED, STAND_THOUSANDS

TEN_MEGABYTES = 10 << 20
FIRST_ID = 40_000
COMPILE = """<?php
foreach (glob(__DIR__ . "/wp-includes/*.php") as $file) @opcache_compile_file($file);
echo count(array_filter(array_keys(opcache_get_status()["scripts"]), fn($name) => str_starts_with($name, __DIR__)));
"""
# The server has its own view of the account files: MOST users that the machine need not have.
WITH_ACCOUNTS = """#!/bin/sh
mount --bind {directory}/passwd /etc/passwd && mount --bind {directory}/group /etc/group && exec "$@"
"""


def stage_module(directory):
    """A copy that root owns: the module refuses a listener that somebody else could have written."""
    module = itk2_module()
    listener = next((path for path in (module.parent / "itk2-listener", module.parent.parent / "itk2-listener")
                     if path.is_file()), None)
    assert listener, f"no itk2-listener next to {module}"
    directory.mkdir()
    directory.chmod(0o755)
    for path in (module, listener):
        shutil.copy(path, directory)
        os.chown(directory / path.name, 0, 0)
        (directory / path.name).chmod(0o755)
    os.environ["ITK2_MODULE"] = str(directory / module.name)


def write_accounts(directory):
    """passwd and group with MOST users more, and the script that starts a command with them."""
    entries = {"passwd": "b{0:05}:x:{1}:{1}::/nonexistent:/usr/sbin/nologin\n", "group": "b{0:05}:x:{1}:\n"}
    for name, entry in entries.items():
        lines = [entry.format(number, FIRST_ID + number) for number in range(MOST)]
        (directory / name).write_text(Path("/etc", name).read_text() + "".join(lines))
    script = directory / "with-accounts"
    script.write_text(WITH_ACCOUNTS.format(directory=directory))
    script.chmod(0o755)
    return ("unshare", "--mount", str(script))


class Thousands:
    """A server with `count` virtual hosts of as many users, plain HTTP, all with the same files."""

    def __init__(self, kind, tree, count, wrapper):
        self.kind, self.name, self.fpm = kind, NAMES[kind], None
        sites = [Site(f"v{number}.test", tree.root / "many", self._identity(number)) for number in range(count)]
        settings = {"listen": ("127.0.0.1:@PORT0@",), "sites": sites, "lines": LINES, "user": "www-data www-data",
                    "tls": False, "ipv6": False}
        if kind == "event":
            plan = EventPlan(kind, php=False, limits=THREADS, **settings)
        else:
            plan = Plan(kind, limits=PROCESSES, **settings)
        self.server = Instance(plan, tree.root / f"{kind}-{count}", tree)
        self.server.wrapper = wrapper
        self.few = None           # the same with few sites
        self.starts = []          # seconds, each time

    def _identity(self, number):
        return "b{0:05} b{0:05}".format(number) if self.kind in ("itk", "itk2") else ""

    def start(self):
        begin = time.monotonic()
        self.server.start()
        self.starts.append(time.monotonic() - begin)

    def stop(self):
        try:
            self.server.stop()
            return ""
        except AssertionError as unexpected:
            return str(unexpected)
        finally:
            self.server.destroy()


class Bench:
    """The files and accounts of one run; its stands."""

    def __init__(self, root, kinds, say):
        self.root, self.kinds, self.say = root, kinds, say
        accounts.ensure()
        self.tree, self.users = Tree(root), accounts.accounts()
        stage_module(root / "modules")
        for number, user in enumerate(self.users):
            further = [("10m.bin", os.urandom(TEN_MEGABYTES))] if number == 0 else []
            write_files(root / "bench" / user.name, user, further)
        write_files(root / "many", self.users[0])

    def lay_out_wordpress(self, sites):
        """For the first sites each the files of Debian's package that a page of it is made of, and a page that compiles
        them. False where the package can't be had."""
        source = self.root / "wordpress"
        if not source.exists():
            source.mkdir()
            subprocess.run(["apt-get", "download", "-q", "wordpress"], cwd=source, check=False, capture_output=True,
                           timeout=120)
            for package in source.glob("wordpress_*.deb"):
                subprocess.run(["dpkg-deb", "-x", package, source], check=True, capture_output=True, timeout=120)
            for user in self.users[:sites]:
                (self.root / "bench" / user.name / "wp-includes").mkdir()
                for file in source.glob("usr/share/wordpress/wp-includes/*.php"):
                    shutil.copy2(file, self.root / "bench" / user.name / "wp-includes")
                (self.root / "bench" / user.name / "wordpress.php").write_text(COMPILE)
        return any(source.glob("usr"))

    @contextmanager
    def stand(self, which):
        """{kind: contender} with those running that this stand has running at once."""
        with ExitStack() as stack:
            make = {STAND_ALONE: self._alone, STAND_HUNDRED: self._hundred, STAND_THOUSANDS: self._thousands}[which]
            yield {kind: make(kind, stack) for kind in self.kinds}

    def _up(self, contender, stack):
        self.say(f"  starting {contender.name}")
        stack.callback(self._down, contender)
        contender.start()
        return contender

    def _down(self, contender):
        unexpected = contender.stop()
        if unexpected and contender.kind == "itk2":
            self.say(unexpected)

    def _alone(self, kind, _):
        """Started and ended by who measures: what is shared with other servers counts for neither."""
        return Contender(kind, self.tree, self.users, f"alone-{kind}")

    def _hundred(self, kind, stack):
        return self._up(Contender(kind, self.tree, self.users), stack)

    def second(self, lines, kind="itk2"):
        """One with further lines, for as long as it is measured."""
        return Contender(kind, self.tree, self.users, f"second-{time.monotonic_ns()}", lines)

    def _thousands(self, kind, stack):
        if not (self.root / "accounts").exists():
            (self.root / "accounts").mkdir()
            self.wrapper = write_accounts(self.root / "accounts")
        contender = self._up(Thousands(kind, self.tree, MOST, self.wrapper), stack)
        contender.few = self._up(Thousands(kind, self.tree, ALL, self.wrapper), stack)
        return contender


@contextmanager
def benching(kinds, say):
    """None of its processes and files stays."""
    root = Path(tempfile.mkdtemp(prefix="itk2-bench-", dir="/tmp"))
    try:
        yield Bench(root, kinds, say)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def started(contender):
    try:
        contender.start()
        poll(lambda: contender.server.get("/1k.html").status == 200, f"{contender.name} does not answer")
        yield contender
    finally:
        contender.stop()
