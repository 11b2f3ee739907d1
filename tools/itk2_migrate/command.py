"""The command: reads, reports, and with --write changes. Its exit statuses are docs/man/itk2-migrate.8's."""
import argparse
import os
import re
import signal
import sys

from . import asking, from_itk, from_peruser, from_ruid2, from_suexec, pools, rehearsal, report, switching, writing
from .asking import CannotAsk
from .identities import ITK_NAMES, RUID2_NAMES
from .planning import Decision, Plan
from .sources import Files, physical_file
from .writing import CannotWrite

DONE, DECIDE, BROKEN, USAGE = 0, 1, 2, 3
SOURCES = ("ruid2", "peruser", "suexec", "php-fpm")
BACKUPS = "/var/backups/itk2-migrate"


ABOUT = """Reports who each virtual host runs as today, and who it would run as under mpm-itk2; --write changes the
configuration. Exit status: 0 nothing to do, or all can be or was converted; 1 something is for you to decide; 2 httpd
does not accept the configuration; 3 usage or environment."""


class Interrupted(BaseException):
    """A signal; what was begun is taken back on its way up."""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(USAGE, "%s: %s; --help says more\n" % (self.prog, message))


def parser():
    made = Parser(prog="itk2-migrate", description=ABOUT)
    made.add_argument("--httpd", metavar="PATH", help="httpd's program [apache2 or httpd]")
    made.add_argument("--config", metavar="FILE", help="its configuration file [the one it is built with]")
    made.add_argument("--server-root", metavar="DIRECTORY", help="its ServerRoot [the one it is built with]")
    made.add_argument("-D", dest="defines", metavar="NAME", action="append", default=[],
                      help="as httpd's -D; repeatable")
    made.add_argument("--modules", metavar="DIRECTORY", help="where mpm-itk2's modules are [httpd's module directory]")
    made.add_argument("--php-fpm", metavar="PROGRAM[=FILE]", action="append", default=[],
                      help="a php-fpm, and its configuration; repeatable [all that are installed]")
    made.add_argument("--from", dest="wanted", metavar="WHAT", action="append", default=[], choices=SOURCES,
                      help="suexec or php-fpm: give whole virtual hosts the identity that programs have; ruid2 or "
                           "peruser: take these directives though the module is gone; repeatable")
    made.add_argument("--json", action="store_true", help="report in JSON")
    made.add_argument("--write", action="store_true", help="change the files, after a backup, and check the result")
    made.add_argument("--backup-dir", metavar="DIRECTORY", default=BACKUPS, help="where backups go [%(default)s]")
    made.add_argument("--undo", metavar="BACKUP", help="take back what --write did, with the backup it named")
    return made


class Progress:
    """One line on a terminal that says what takes so long; nothing elsewhere."""

    def __init__(self):
        self._shown = sys.stderr.isatty()

    def say(self, text):
        if self._shown:
            sys.stderr.write("\r\033[K%s" % (text and text + " ..."))
            sys.stderr.flush()


def missing_modules(answer):
    """The stand-ins that httpd's complaint asks for."""
    words = answer.said.lower()
    invalid = re.search(r"invalid command '<?([^'>]+)'", words)
    found = set()
    if "mpm_itk.so" in words or (invalid and invalid.group(1) in ITK_NAMES):
        found.add("itk")
    if "mod_ruid2" in words or (invalid and invalid.group(1) in RUID2_NAMES):
        found.add("ruid2")
    if "mpm_peruser" in words or (invalid and (invalid.group(1) in from_peruser.ENVIRONMENT or
                                               invalid.group(1) in from_peruser.COUNTS or
                                               invalid.group(1).startswith("multiplex"))):
        found.add("peruser")
    return found


def read_today(httpd, wanted):
    """(answer, remarks): the configuration as httpd reads it today, with stand-ins for old modules that are gone."""
    stand_ins, remarks = {one for one in wanted if one in asking.STAND_INS}, []
    while True:
        answer = httpd.ask(sorted(stand_ins))
        more = set() if answer.is_accepted else missing_modules(answer) - stand_ins
        if not more:
            return answer, remarks
        for name in sorted(more):
            remarks.append("httpd does not start as it is: %s is configured and not there; its directives are read all "
                           "the same" % {"itk": "mpm-itk", "ruid2": "mod_ruid2", "peruser": "peruser"}[name])
        stand_ins |= more


def make_plan(httpd, answer, options):
    """(plan, switch, remarks), before httpd was asked about the result."""
    found, remarks = [], []
    if any(pools.sent(one, []) for one in answer.tree.everything()):
        found, remarks = pools.find(options.php_fpm)
    plan = Plan(answer.tree, Files(), options.wanted, found)
    switch = switching.plan(answer.tree, plan.files, plan.edits, httpd.server)
    if "php-fpm" in plan.wanted:
        # RHEL loads mod_php only where prefork.c is there.
        switched = rehearsal.rehearse(httpd, plan, switch).answer.tree
        plan.modules_after = switched.modules if switched.is_complete else plan.modules_after
    from_ruid2.plan(plan)
    from_peruser.plan(plan)
    from_itk.plan(plan)
    from_suexec.plan_suexec(plan)
    from_suexec.plan_pools(plan)
    plan.keep_guards()
    for load, reason in switch.obstacles:
        plan.decide(load, reason)
    return plan, switch, remarks


def prove(httpd, plan, switch, remarks):
    """The identities httpd finds in the files to be, by virtual host; what it refuses is for the administrator."""
    outcome = rehearsal.rehearse(httpd, plan, switch)
    identities = rehearsal.compare(plan, outcome)
    if os.geteuid() != 0:
        remarks.append("mpm-itk2 looks every identity up only as root: not proved that it starts")
    elif not outcome.answer.is_accepted:
        file, line, text = outcome.answer.complaint()
        path = physical_file(file) if file else None
        if path and os.path.realpath(path) in plan.edits.paths():
            line = plan.edits.original_line(plan.files.source(path), line)
        place = "%s:%d" % (file, line) if file else ""
        if not any(one.place == place and one.blocks and place for one in plan.decisions):
            plan.decisions.append(Decision(place, "httpd with mpm-itk2 refuses what would be: " + text, True))
    if outcome.server and outcome.answer.tree.has_module("mod_cgid.c") and \
            any(one and one.is_fixed() and not one.is_same(outcome.server.fallback()) for one in identities):
        remarks.append("mod_cgid runs scripts as User, not as their virtual host's user; mod_cgi runs them in a worker")
    return identities


def write(httpd, plan, switch, options):
    """Carries the plan out. Returns the backup's directory, or None: there was nothing to do. Raises CannotWrite."""
    replacements = []
    for path in plan.edits.paths():
        source = plan.files.source(path)
        after = plan.edits.applied(source)
        if after != source.data:
            replacements.append(writing.Replacement(path, source.data, after))
    links = [writing.LinkChange(one.path, os.readlink(one.path) if one.target is None else None, one.target)
             for one in switch.links]
    if not replacements and not links:
        return None
    writing.check_place(options.backup_dir, [one for one in map(physical_file, plan.tree.files()) if one])
    with writing.Lock(options.backup_dir):
        backup = writing.Backup(options.backup_dir, replacements, links, httpd.config)
        try:
            writing.carry_out(replacements, links, httpd.check)
        except BaseException as error:
            if not isinstance(error, writing.Stuck):
                backup.remove()
            raise
    return backup.folder


def undo(options):
    folder = os.path.abspath(options.undo)
    with writing.Lock(os.path.dirname(folder)):
        replacements, links, configuration = writing.load_backup(folder)
        writing.remove_leftovers(folder)
        writing.carry_out(replacements, links, lambda: (True, ""))
    print(report.printable("%s and %s of %s are as they were before" % (
        counted(len(replacements), "file"), counted(len(links), "link"), configuration)))
    return DONE


def migrate(options, built_modules):
    progress = Progress()
    progress.say("asking httpd what it makes of its configuration")
    httpd = asking.Httpd(options.httpd, options.config, options.server_root, options.defines, options.modules,
                         built_modules)
    answer, remarks = read_today(httpd, options.wanted)
    if not answer.is_accepted or not answer.tree.is_complete:
        progress.say("")
        file, line, text = answer.complaint()
        place = "%s:%s: " % (file, line) if file else ""
        sys.stderr.write("itk2-migrate: httpd does not accept the configuration: %s\n" % report.printable(place + text))
        return BROKEN
    progress.say("planning")
    plan, switch, more = make_plan(httpd, answer, options)
    progress.say("asking httpd with mpm-itk2 what it would make of the result")
    remarks += more
    identities = prove(httpd, plan, switch, remarks)
    programs = [from_suexec.programs_of(plan, host) for host in plan.hosts]
    base = os.path.dirname(httpd.config)
    rows = report.rows(plan, identities, programs, base)
    progress.say("writing" if options.write else "")
    written, refused, failed = None, None, False
    blocking = [one for one in plan.decisions if one.blocks]
    if options.write and not blocking:
        try:
            written = write(httpd, plan, switch, options)
        except (CannotWrite, OSError) as error:
            refused, failed = "nothing was written: %s" % error, True
    elif options.write:
        refused = "nothing was written: %d of the places above %s to be decided first" % (
            len(blocking), "has" if len(blocking) == 1 else "have")
    progress.say("")
    if options.json:
        sys.stdout.write(report.as_json(rows, plan, switch, remarks, {
            "configuration": httpd.config, "mechanism": plan.server.mechanism, "backup": written, "refused": refused}))
    else:
        sys.stdout.write(report.text(rows, plan, switch, base, remarks))
        sys.stdout.write("\n" + report.printable(ending(plan, switch, options, written)) + "\n")
    sys.stdout.flush()
    if refused:
        sys.stderr.write("itk2-migrate: %s\n" % report.printable(refused))
    if failed:
        return USAGE
    return DECIDE if plan.decisions else DONE


def ending(plan, switch, options, written):
    """What came of it, and what to do next, in one line or two."""
    what = "%s, %s" % (counted(len(plan.edits.paths()), "file"), counted(len(switch.links), "link"))
    if written:
        return "Written: %s. httpd accepts the result; stop and start it to change its MPM. " \
            "To take it back: itk2-migrate --undo %s" % (what, written)
    if options.write:
        return "Nothing was written."
    if not plan.edits and not switch.links:
        return "Nothing to change."
    if any(one.blocks for one in plan.decisions):
        return "To change, when all is decided: %s." % what
    return "To change: %s; --write does it." % what


def counted(number, what):
    return "%d %s%s" % (number, what, "" if number == 1 else "s")


def _on_signal(number, _frame):
    raise Interrupted(number)


def main(arguments=None, built_modules=()):
    """The exit status. built_modules: directories that the installed command looks for modules in first."""
    options = parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _on_signal)
    try:
        if (options.write or options.undo) and os.geteuid() != 0:
            raise CannotAsk("--write and --undo need root")
        return undo(options) if options.undo else migrate(options, built_modules)
    except (CannotAsk, CannotWrite) as error:
        sys.stderr.write("itk2-migrate: %s\n" % report.printable(str(error)))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except Interrupted as error:
        sys.stderr.write("itk2-migrate: ended by signal %s; nothing is changed\n" % error)
    except OSError as error:
        sys.stderr.write("itk2-migrate: %s\n" % report.printable(str(error)))
    return USAGE
