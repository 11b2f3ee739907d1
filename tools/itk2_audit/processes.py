"""One process as it was at one moment, and the processes of a server: its master and all below."""
import os

from . import descriptors, mappings, namespaces, reading
from .credentials import Credentials

TRIES = 5


class Process:
    """A snapshot that is of one piece: the credentials of all threads were the same before and after the rest was read.
    Told from a later process of the same number by `started`."""

    def __init__(self, pid):
        for _ in range(TRIES):
            before = self._read_first(pid)
            self._read_rest(pid)
            after = reading.stat_fields(pid)
            if int(after[19]) != self.started or after[0] in "ZX":
                raise reading.Vanished("/proc/%d" % pid)
            if before == self._signature(self._read_threads(pid)):
                return
        # Changes faster than it can be read: what it was at the last look.

    def _read_first(self, pid):
        stat = reading.stat_fields(pid)
        if stat[0] in "ZX":
            raise reading.Vanished("/proc/%d" % pid)
        self.pid, self.parent, self.session, self.started = pid, int(stat[1]), int(stat[3]), int(stat[19])
        self.threads = self._read_threads(pid)
        self.own = self.threads[pid]
        return self._signature(self.threads)

    def _read_rest(self, pid):
        base = "/proc/%d" % pid
        self.title = reading.text(base + "/cmdline").replace("\0", " ").strip()
        self.executable = reading.link(base + "/exe")
        program = reading.status(base + "/exe")
        self.program = (program.st_dev, program.st_ino)
        # Root's where the process forbids others to look into its memory.
        self.dumpable = reading.status(base + "/status").st_uid == self.own.uid and self.own.uid != 0
        self.namespaces = namespaces.Namespaces(pid)
        self.descriptors = descriptors.of(pid)
        self.mappings = mappings.shared(pid)

    @staticmethod
    def _read_threads(pid):
        base, found = "/proc/%d/task" % pid, {}
        for name in reading.names(base):
            try:
                found[int(name)] = Credentials("%s/%s/status" % (base, name))
            except reading.Vanished:
                if int(name) == pid:
                    raise
        if pid not in found:
            raise reading.Vanished(base)
        return found

    @staticmethod
    def _signature(threads):
        return sorted((number, one.signature()) for number, one in threads.items())

    @property
    def name(self):
        """Which process it is, of all there ever were."""
        return self.pid, self.started

    def age(self):
        """Seconds since it was forked."""
        return float(reading.text("/proc/uptime").split()[0]) - self.started / os.sysconf("SC_CLK_TCK")


def below(pid):
    """The numbers of all processes below this one."""
    children = {}
    for number in reading.processes():
        try:
            children.setdefault(int(reading.stat_fields(number)[1]), []).append(number)
        except reading.Vanished:
            continue
    found, todo = [], [pid]
    while todo:
        more = children.get(todo.pop(), [])
        found += more
        todo += more
    return found


def masters():
    """The processes of root with a child that runs the listener's program, as only root could have put it there."""
    found = set()
    for pid in reading.processes():
        try:
            if os.path.basename(reading.link("/proc/%d/exe" % pid)) != "itk2-listener":
                continue
            program = reading.status("/proc/%d/exe" % pid)
            parent = int(reading.stat_fields(pid)[1])
            if program.st_uid == 0 and not program.st_mode & 0o022 and \
                    Credentials("/proc/%d/status" % parent).uid == 0:
                found.add(parent)
        except (reading.Vanished, reading.CannotAudit):
            continue
    return sorted(found)
