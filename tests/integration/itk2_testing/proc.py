"""The witness: what /proc says of a process. Reads only; shares nothing with the server."""
import os
import re
from dataclasses import dataclass
from pathlib import Path

CAP_SETGID, CAP_SETUID = 6, 7
SET_IDS = 1 << CAP_SETGID | 1 << CAP_SETUID
LISTEN, ESTABLISHED = "0A", "01"


class Vanished(Exception):
    """The process ended before it could be looked at."""


def _read(path):
    try:
        return Path(path).read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError) as gone:
        raise Vanished(path) from gone


@dataclass(frozen=True)
class Status:
    uids: tuple    # real, effective, saved, file system
    gids: tuple
    groups: tuple
    inheritable: int
    permitted: int
    effective: int
    bounding: int
    ambient: int
    no_new_privs: int
    threads: int
    state: str

    @property
    def capability_sets(self):
        return (self.inheritable, self.permitted, self.effective, self.bounding, self.ambient)


@dataclass(frozen=True)
class Process:
    """A process, told from a later one of the same number by its start time."""
    pid: int
    started: int

    @classmethod
    def of(cls, pid):
        return cls(pid, int(_stat(pid)[19]))

    def alive(self):
        """Still there and not only waiting to be reaped."""
        try:
            fields = _stat(self.pid)
        except Vanished:
            return False
        return int(fields[19]) == self.started and fields[0] not in "ZX"

    def parent(self):
        return int(_stat(self.pid)[1])

    def nice(self):
        return int(_stat(self.pid)[16])

    def session(self):
        return int(_stat(self.pid)[3])

    def title(self):
        return _read(f"/proc/{self.pid}/cmdline").replace("\0", " ").strip()

    def executable(self):
        try:
            return os.readlink(f"/proc/{self.pid}/exe")
        except OSError as gone:
            raise Vanished(str(self)) from gone

    def rollup(self, what):
        """KiB of all its memory together, by smaps_rollup's word: Pss, Private_Dirty, AnonHugePages."""
        text = _read(f"/proc/{self.pid}/smaps_rollup")
        found = re.search(rf"^{what}:\s+(\d+)", text, re.M)
        if not found:
            raise Vanished(str(self))  # without memory, it reads empty
        return int(found.group(1))

    def maps(self):
        return _read(f"/proc/{self.pid}/maps")

    def status(self, thread=None):
        task = f"/task/{thread}" if thread else ""
        found = dict(re.findall(r"^(\w+):[ \t]*(.*)$", _read(f"/proc/{self.pid}{task}/status"), re.M))
        numbers = lambda name: tuple(int(word) for word in found[name].split())
        return Status(numbers("Uid"), numbers("Gid"), tuple(sorted(numbers("Groups"))),
                      *(int(found[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")),
                      int(found["NoNewPrivs"]), int(found["Threads"]), found["State"][0])

    def thread_ids(self):
        try:
            return [int(name) for name in os.listdir(f"/proc/{self.pid}/task")]
        except OSError as gone:
            raise Vanished(str(self)) from gone

    def descriptors(self):
        """{number: target} of every open descriptor."""
        found = {}
        try:
            for name in os.listdir(f"/proc/{self.pid}/fd"):
                try:
                    found[int(name)] = os.readlink(f"/proc/{self.pid}/fd/{name}")
                except FileNotFoundError:
                    pass
        except OSError as gone:
            raise Vanished(str(self)) from gone
        return found

    def socket_inodes(self):
        return [found.group(1) for target in self.descriptors().values()
                if (found := re.fullmatch(r"socket:\[(\d+)\]", target))]

    def listening(self):
        return listening([self])

    def connections(self):
        return connections([self])


def _sockets(processes):
    """The (state, local port) of every TCP socket of these. The machine's table is long: read once, after their
    descriptors."""
    inodes = []
    for process in processes:
        try:
            inodes += process.socket_inodes()
        except Vanished:
            pass
    table = tcp_sockets()
    return [table[inode] for inode in inodes if inode in table]


def listening(processes):
    """The ports these listen on, together."""
    return {port for state, port in _sockets(processes) if state == LISTEN}


def connections(processes):
    """The local ports of the connections these hold, together."""
    return {port for state, port in _sockets(processes) if state != LISTEN}


def _stat(pid):
    """The fields of /proc/PID/stat from the state (its third) on."""
    text = _read(f"/proc/{pid}/stat")
    return text[text.rindex(")") + 2:].split()


def tcp_sockets():
    """{inode: (state, local port)} of every TCP socket of the machine."""
    found = {}
    for name in ("tcp", "tcp6"):
        for line in _read(f"/proc/net/{name}").splitlines()[1:]:
            words = line.split()
            found[words[9]] = (words[3], int(words[1].rsplit(":", 1)[1], 16))
    return found


def children_table():
    """{parent pid: [Process]} of the whole machine, in one look."""
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = _stat(int(name))
            except Vanished:
                continue
            table.setdefault(int(fields[1]), []).append(Process(int(name), int(fields[19])))
    return table


def descendants(pid):
    """Every process below this one, not itself; zombies too."""
    table, found, todo = children_table(), [], [pid]
    while todo:
        below = table.get(todo.pop(), [])
        found += below
        todo += [process.pid for process in below]
    return found
