"""Builds the attacks, lets them run inside of a server's processes, and reads what they report.

A server is attacked by a request: its header fields name the attack, the moment and the report's file (mod_attack.c).
What an attack is after are secrets: files with a random word, so that the word in a report proves that it was read.
"""
import itertools
import os
import re
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from itk2_testing import accounts
from itk2_testing.client import Broken, request
from itk2_testing.configuration import Plan, Site
from itk2_testing.waiting import poll

NATIVE = Path(__file__).parent / "native"
SHARED = ("report", "attacks", "set_ids", "id_maps", "processes", "messages", "sessions", "sockets", "programs",
          "memory")
RANGE = (accounts.FIRST_ID, accounts.FIRST_ID + 49)  # LimitUIDRange and LimitGIDRange of every server here
FORBIDDEN = accounts.account(61)                      # a user outside of it
SECRET_GROUP = 30600                                  # a group outside of it, nobody's
SITES = [accounts.account(number) for number in (1, 2, 4)]  # whose sites there are: inside, with all their groups
IN_A_GROUP_OUTSIDE = accounts.account(3)              # a user inside of it, in a group that is not
ACCOMPLICE = accounts.account(40)                     # a local user of no site, inside of it
SERVER_USER = accounts.account(49)                    # httpd's User: mpm-itk needs it inside, too
REFUSED = {"EPERM", "EINVAL", "EACCES"}
NO_ENTRY = {"killed by SIGSEGV", "ENOSYS"}            # what comes of int $0x80 and of x32 numbers without such entries

_numbers = itertools.count()


class Native:
    """The attacks as a module and as programs, built once."""

    def __init__(self, folder):
        self.folder = folder
        shutil.copytree(NATIVE, folder)
        shared = [f"{name}.c" for name in SHARED]
        self._run("apxs", "-c", "-Wc,-Wall", "-Wc,-Wextra", "-Wc,-fvisibility=hidden", "mod_attack.c", *shared)
        for program in ("alone", "accomplice"):
            self._run("cc", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-o", program, f"{program}.c", *shared)
        for program in ("hostile_listener", "failing"):
            self._run("cc", "-Wall", "-Wextra", "-o", program, f"{program}.c")
        self._run("cc", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-shared", "-fPIC", "-fvisibility=hidden", "-o",
                  "in_listener.so", "in_listener.c", *shared)
        self.meeting = folder / "meeting"  # where anybody may have a socket
        self.meeting.mkdir()
        self.meeting.chmod(0o777)
        self.load = f"LoadModule attack_module {folder}/.libs/mod_attack.so"

    def _run(self, *command):
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    def alone(self, attack, **process_options):
        """The report of an attack run by a process of no server: root, if nothing else is said."""
        report = ReportFile(self.folder)
        subprocess.run([self.folder / "alone", report.path, *attack.split()], check=True, timeout=60,
                       **process_options)
        return report.read()

    def calls(self, attack):
        """{call: what comes of it} where nothing stands in its way: the control of every-call and compat-calls. A kernel may
        lack the entry of some, and a virtual machine's processor: then it is closed to root, too, and to everybody."""
        control = self.alone(attack)
        if control.outcomes("compat calls"):
            pytest.skip(control.outcome("compat calls"))
        calls = {line.split(": ")[0]: line.split(": ")[1] for line in control.lines
                 if line.startswith(("set", "int80 ", "x32 ")) and " gives " not in line}
        assert "ok" in calls.values() or set(calls.values()) == NO_ENTRY, control
        return calls


class Secrets:
    """Files that only one user, or one group, can read."""

    def __init__(self, folder):
        folder.mkdir()
        folder.chmod(0o755)
        self.folder, self.words = folder, {}
        self.root = self._make("root", 0, 0, 0o600)
        self.forbidden = self._make("forbidden", FORBIDDEN.uid, FORBIDDEN.gid, 0o600)
        self.sites = [self._make(user.name, user.uid, user.gid, 0o600) for user in SITES]

    def of_group(self, gid):
        return self._make(f"group-{gid}", 0, gid, 0o640)

    def _make(self, name, uid, gid, mode):
        path = self.folder / name
        if path not in self.words:
            self.words[path] = secrets.token_hex(16)
            path.touch(0o600)
            os.chown(path, uid, gid)
            path.chmod(mode)
            path.write_text(self.words[path] + "\n")
        return path


@dataclass(frozen=True)
class Report:
    """The lines of a report, each "what: outcome"."""
    lines: tuple

    def outcomes(self, what):
        """What came of it, each time."""
        return [line[len(what) + 1:].strip() for line in self.lines if line.startswith(f"{what}:")]

    def outcome(self, what):
        found = self.outcomes(what)
        assert len(found) == 1, f"{what!r} is not there once:\n{self}"
        return found[0]

    def numbers(self, what):
        return tuple(int(word) for word in self.outcome(what).split())

    def mask(self, what):
        return int(self.outcome(what), 16)

    def has_read(self, secret, words):
        """The proof: the word of this secret."""
        return words[secret] in str(self)

    def whole(self):
        return "end" in self.lines

    def __str__(self):
        return "\n".join(self.lines)


class ReportFile:
    """An empty file that any process may add to."""

    def __init__(self, folder):
        self.path = Path(folder) / f"report{next(_numbers)}"
        self.path.touch()
        self.path.chmod(0o666)

    def read(self):
        return Report(tuple(re.sub(r"[ \t]+", " ", line).strip() for line in self.path.read_text().splitlines()))

    def wait_for(self, line, deadline=60):
        return poll(lambda: (found := self.read()) and line in found.lines and found,
                    lambda: f"no {line!r} in the report:\n{self.read()}", deadline)

    def wait_for_any(self, deadline=60):
        return poll(lambda: (found := self.read()).lines and found, "the attack has not begun", deadline)


def say_go(file, word=""):
    """Lets an attack go on that waits for this file."""
    new = file.with_suffix(".new")
    new.write_text(f"{word}\n")
    new.chmod(0o644)
    new.rename(file)


def plan(kind, native, least=RANGE[0], greatest=RANGE[1], lines=(), php=False):
    """Sites whose route can be told from the first bytes, and sites where only the request tells."""
    same = lambda user: f"{user.name} {user.name}"
    docroot = Path("@DIR@") / "pages"
    sites = [
        # The first one's own identity, and another one's below /other/.
        Site("undecided.test", docroot, same(SITES[0]),
             (f"<Location /other/>\nAssignUserID {same(SITES[1])}\n</Location>",)),
        Site("expression.test", docroot, same(SITES[0]),
             ("ServerAlias *.expression.test", "RewriteEngine On", "RewriteRule ^/as/([a-z0-9]+)/ - [E=ITKUID:$1]",
              "AssignUserIDExpr %{reqenv:ITKUID}", "AssignGroupIDExpr %{reqenv:ITKUID}")),
        Site("decided.test", docroot, same(SITES[2])),
    ]
    return Plan(kind, sites, user=same(SERVER_USER), php=php, tls=False, load=(native.load,),
                lines=(f"LimitUIDRange {least} {greatest}", f"LimitGIDRange {least} {greatest}", *lines))


class Target:
    """A server under attack, and what may be taken from it."""

    def __init__(self, instance, native, found):
        self.instance, self.native, self.secrets = instance, native, found
        pages = instance.directory / "pages"
        for name in ("", "other", "as/" + SITES[0].name, "as/" + SITES[1].name):
            (pages / name).mkdir(parents=True, exist_ok=True)
            (pages / name / "page.txt").write_text("a page\n")

    @property
    def kind(self):
        return self.instance.plan.kind

    def begin(self, attack, at="read", site=None, path=f"/as/{SITES[1].name}/page.txt", keep=False):
        """Sends the request that attacks: (its connection, its report's file). Where no site is named only the request
        as httpd has parsed it tells whose it is, and no earlier one was for the same host."""
        site = site or f"n{next(_numbers)}.expression.test"
        report = ReportFile(self.instance.directory)
        connection = self.instance.connect(timeout=60)
        fields = (f"X-Attack: {attack}", f"X-Attack-At: {at}", f"X-Attack-Report: {report.path}")
        return connection.send(request(path, site, headers=fields, close=not keep)), report

    def attack(self, attack, **place):
        """The report, once the request has its end: an answer, or none when its process was killed."""
        connection, report = self.begin(attack, **place)
        with connection:
            try:
                connection.answer()
            except (Broken, OSError):
                pass
        found = report.read()
        assert found.lines, f"{self.kind}: the attack has not begun"
        return found

    def go_file(self):
        """Where an attack that waits looks for the word to go on."""
        return self.instance.directory / f"go{next(_numbers)}"

    def serves(self):
        """The server is what it was: each kind of site answers."""
        for site, path in (("undecided.test", "/page.txt"), ("undecided.test", "/other/page.txt"),
                           ("expression.test", f"/as/{SITES[1].name}/page.txt"), ("decided.test", "/page.txt")):
            answer = self.instance.get(path, site)
            assert answer.status == 200 and answer.body == b"a page\n", f"{self.kind}: {site}{path}: {answer}"


class Accomplice:
    """A plain user's process with a user namespace of its own, which waits for what is mapped there."""

    def __init__(self, native, user, inside, file):
        self.user, self.inside = user, inside
        self.report = ReportFile(native.folder)
        self.socket = native.meeting / f"socket{next(_numbers)}"
        self.process = subprocess.Popen([native.folder / "accomplice", self.report.path, str(inside), file, self.socket],
                                        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, user=user.uid,
                                        group=user.gid, extra_groups=[])
        assert self.process.stdout.readline() == "ready\n"

    @property
    def pid(self):
        return self.process.pid

    def try_it(self):
        """Its report, after it has tried to become what was mapped."""
        self.process.communicate("go\n", timeout=60)
        return self.report.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)
        self.process.stdin.close()
        self.process.stdout.close()


def started(servers, what, native, found, mode="daemon"):
    """The Target of a Plan that has been started."""
    target = Target(servers.make(what), native, found)
    target.instance.start(mode)
    return target
