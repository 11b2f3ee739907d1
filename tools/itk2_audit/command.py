"""The command. Its exit statuses are docs/man/itk2-audit.8's."""
import argparse
import grp
import os
import pwd
import signal
import sys
import time

from . import auditing, processes, reading, report
from .reading import CannotAudit, printable

HOLDS, FINDINGS, CANNOT = 0, 1, 2
NO_SERVER = "no server with mpm-itk2 runs; name its pid or its PidFile"
ABOUT = """Looks at a running server from outside and says which of mpm-itk2's promises hold. Needs root. Exit status: 0
all holds, 1 something does not, 2 it could not be looked at."""


class Interrupted(Exception):
    """A signal: enough was seen."""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(CANNOT, "%s: %s; --help says more\n" % (self.prog, message))


class Identity:
    """What one --identity says: gid and groups are None where it says nothing of them."""

    def __init__(self, text):
        user, _, group = text.partition(":")
        names = group.split(",") if group else []
        self.uid = uid_of(user)
        self.gid = gid_of(names[0]) if names else None
        self.groups = {gid_of(name) for name in names} if len(names) > 1 else None


def uid_of(text):
    try:
        return int(text.lstrip("#")) if text.lstrip("#").isdigit() else pwd.getpwnam(text).pw_uid
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError("there is no user %s" % text)


def gid_of(text):
    try:
        return int(text.lstrip("#")) if text.lstrip("#").isdigit() else grp.getgrnam(text).gr_gid
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError("there is no group %s" % text)


def seconds(text):
    found = float(text)
    if not 0 < found < 1e6:
        raise argparse.ArgumentTypeError("a number of seconds above 0")
    return found


def parser():
    made = Parser(prog="itk2-audit", description=ABOUT)
    made.add_argument("server", nargs="?", metavar="PID|PIDFILE",
                      help="the master, or its PidFile [every one that runs]")
    made.add_argument("--identity", metavar="USER[:GROUP[,GROUP...]]", type=Identity, action="append", default=[],
                      help="a user that a worker may be, its group and all its groups; repeatable [whoever has no "
                           "account of the server's, with the groups of the account database]")
    for role in ("listener", "spare", "parser"):
        made.add_argument("--%s-account" % role, metavar="USER", type=uid_of,
                          help="as %sAccount [itk2-%s, or what the processes show]" % (role.capitalize(), role))
    made.add_argument("--set-uid-programs", metavar="USER", type=uid_of, action="append", default=[],
                      help="a user whose workers keep the bounding set; repeatable")
    made.add_argument("--parser-confinement", choices=("namespace", "capabilities"), default="namespace",
                      help="as ParserConfinement [%(default)s]")
    made.add_argument("--shared", metavar="PATH", action="append", default=[],
                      help="a file that several identities may hold for writing; repeatable")
    made.add_argument("--newborn", metavar="SECONDS", type=float, default=10,
                      help="for how long a fork of the master may still be root [%(default)s]")
    made.add_argument("--foreign", action="store_true", help="another MPM's server: every child of it is a worker")
    made.add_argument("--json", action="store_true", help="report in JSON, one line an audit")
    made.add_argument("--watch", metavar="SECONDS", type=seconds, help="audit again after so many seconds")
    made.add_argument("--rounds", metavar="NUMBER", type=int,
                      help="end after so many audits [1; with --watch until the server or a signal ends it]")
    return made


class Options:
    """What the checks ask of the options."""

    def __init__(self, given):
        self.accounts = {role: getattr(given, role + "_account") for role in ("listener", "spare", "parser")}
        self.identities = {one.uid: one for one in given.identity}
        self.set_uid_programs = set(given.set_uid_programs)
        self.weak_parsers = given.parser_confinement == "capabilities"
        self.shared = set(given.shared)
        self.newborn = given.newborn
        self.foreign = given.foreign


def masters(given):
    """The pids to audit."""
    if given.server is None:
        found = processes.masters()
        if not found:
            raise CannotAudit(NO_SERVER)
        return found
    text = given.server
    if not text.isdigit():
        try:
            with open(text) as file:
                text = file.read(32).strip()
        except OSError as error:
            raise CannotAudit("%s: %s" % (given.server, error.strerror))
        if not text.isdigit():
            raise CannotAudit("%s holds no number" % given.server)
    return [int(text)]


def check_ground(master, options):
    """Raises CannotAudit where an answer would mean nothing."""
    if os.geteuid() != 0:
        raise CannotAudit("needs root")
    try:
        process = processes.Process(master)
    except reading.Vanished:
        raise CannotAudit("there is no process %d" % master)
    if process.own.uid != 0:
        raise CannotAudit("process %d is not root: a server not started by root is one identity throughout" % master)
    if not options.foreign and not any(map(_runs_listener, processes.below(master))):
        raise CannotAudit("process %d is no master of mpm-itk2: nothing below it runs itk2-listener (--foreign audits "
                          "other servers)" % master)


def _runs_listener(pid):
    try:
        return os.path.basename(reading.link("/proc/%d/exe" % pid)) == "itk2-listener"
    except reading.Vanished:
        return False


class Watch:
    """All audits of one run."""

    def __init__(self, given, pids):
        self.given, self.options = given, Options(given)
        self.lives = {pid: auditing.Life() for pid in pids}
        self.said, self.rounds = set(), 0
        self.failed = False
        for pid in pids:
            try:
                check_ground(pid, self.options)
            except CannotAudit:
                if given.server is not None or os.geteuid() != 0:
                    raise
                del self.lives[pid]  # found, and ended meanwhile
        if not self.lives:
            raise CannotAudit(NO_SERVER)

    def run(self):
        most = self.given.rounds or (0 if self.given.watch else 1)
        while True:
            self.rounds += 1
            for pid in list(self.lives):
                self._once(pid)
            sys.stdout.flush()
            if not self.lives or self.rounds == most:
                return
            time.sleep(self.given.watch or 1)

    def _once(self, pid):
        try:
            instance, findings = auditing.audit(pid, self.options, self.lives[pid])
        except CannotAudit:
            if self.rounds == 1 and self.given.server is not None or os.path.exists("/proc/%d" % pid):
                raise
            del self.lives[pid]  # the server has ended
            return
        self.failed = self.failed or bool(findings)
        unseen = auditing.unseen(instance)
        if self.given.json:
            sys.stdout.write(report.as_json(report.described(instance, findings, unseen, self.rounds)))
        elif self.rounds == 1:
            sys.stdout.write(report.text(instance, findings, unseen))
        else:
            new = [line for line in report.lines_of(findings) if line not in self.said]
            sys.stdout.write("".join("round %d: %s\n" % (self.rounds, line) for line in new))
        self.said.update(report.lines_of(findings))


def _on_signal(_number, _frame):
    raise Interrupted


def main(arguments=None):
    """The exit status."""
    given = parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _on_signal)
    watch = None
    try:
        watch = Watch(given, masters(given))
        watch.run()
    except (CannotAudit, OSError) as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        else:
            sys.stderr.write("itk2-audit: %s\n" % printable(str(error)))
        return CANNOT
    except Interrupted:
        if watch is None or not watch.rounds:
            return CANNOT
    if given.watch and not given.json:
        print("%d rounds: %s" % (watch.rounds, "not all held." if watch.failed else "all held."))
    return FINDINGS if watch.failed else HOLDS
