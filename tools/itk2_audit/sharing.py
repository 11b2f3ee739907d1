"""Checks of I7, I9, I12 and I15: nothing that two identities could both change, hold up, or listen to."""
import os

from .descriptors import still_there
from .finding import Finding

# Who may have a pipe's reading end, when the writing end is somebody else's: who is told.
UPPER = ("master", "listener", "scribe")
APART = ("listener", "scribe", "spare", "parser", "resolver", "teller", "worker", "program")


def party(process):
    """Whose a process is, for sharing; None for who may have everything: the master, and what it has started."""
    if process.role in ("master", "newborn") or process.role == "program" and process.own.uid == 0:
        return None
    return process.own.uid


def shown_party(process):
    return "%s %d (uid %d)" % (process.role, process.pid, process.own.uid)


class Holders:
    """Who holds each thing: {key: {party: first process}}."""

    def __init__(self):
        self.found = {}

    def add(self, key, process, what):
        whose = party(process)
        if whose is not None:
            self.found.setdefault(key, {}).setdefault(whose, (process, what))

    def common(self):
        """(process, what, another's process, another's what) of everything that two parties or more hold, once for each
        party but the first."""
        for holders in self.found.values():
            first, *others = [holders[whose] for whose in sorted(holders)]
            for other in others:
                yield other + first


def check(instance):
    yield from _memory(instance)
    yield from _files(instance)
    yield from _held_locks(instance)
    yield from _pipes(instance)
    yield from _sockets(instance)


def _memory(instance):
    holders = Holders()
    for process in instance.processes:
        for key, mapping in process.mappings.items():
            holders.add(key, process, mapping)
    for process, mapping, other, _ in holders.common():
        if mapping.path not in instance.options.shared:
            yield Finding(process, "shared-memory", "shares writable memory %s (inode %s) with %s" % (
                mapping.path or "without a name", mapping.key[1], shown_party(other)), "memory of one identity alone")


def _files(instance):
    """Regular files and memory that two may write. O_APPEND keeps nobody from ftruncate()."""
    holders = Holders()
    for process in instance.processes:
        for one in process.descriptors:
            # A spare, which may become anybody and reads nothing, keeps all logs until its order.
            if process.role == "spare" and one.kind == "file" and one.appends:
                continue
            if one.kind in ("file", "memfd") and one.writes and one.target not in instance.options.shared:
                holders.add(one.key, process, one)
    for process, one, other, _ in holders.common():
        wrong = "holds %s (%s, descriptor %d), which %s can write too" % (
            one.target, one.how(), one.number, shown_party(other))
        if one.appends:
            yield Finding(process, "shared-log", wrong, "a log of one identity alone, or a pipe")
        elif one.kind == "memfd":
            yield Finding(process, "shared-memory-file", wrong, "memory of one identity alone")
        else:
            yield Finding(process, "shared-lock", wrong, "a lock file of one identity alone")


def _held_locks(instance):
    """A lock that one holds on a file which another has open: he waits for it as soon as he asks."""
    opened = {}
    for process in instance.processes:
        for one in process.descriptors:
            if one.kind in ("file", "memfd") and party(process) is not None:
                device, inode = one.key
                opened.setdefault((os.major(device), os.minor(device), inode), []).append((process, one))
    by_pid = {process.pid: process for process in instance.processes}
    for pid, kind, key in instance.locks:
        holder = by_pid.get(pid)
        for process, one in opened.get(key, ()) if holder and party(holder) is not None else ():
            if party(process) != party(holder) and one.target not in instance.options.shared:
                yield Finding(holder, "held-lock", "holds a lock (%s) on %s, which %s has open" % (
                    kind, one.target, shown_party(process)), "no lock that another identity can wait for")


def _pipes(instance):
    """A pipe's writing end is one identity's; what is written is read by who is above, or by the identity itself."""
    writers, readers = Holders(), {}
    for process in instance.processes:
        for one in process.descriptors:
            if one.kind != "pipe" or one.target in instance.options.shared:
                continue
            if one.writes and process.role in APART:
                writers.add(one.key, process, one)
            if one.reads:
                readers.setdefault(one.key, []).append((process, one))
    for process, one, other, _ in writers.common():
        yield Finding(process, "shared-pipe", "can write to %s (descriptor %d), as %s can" % (
            one.target, one.number, shown_party(other)), "a pipe of one identity alone")
    for key, ends in readers.items():
        for process, one in ends:
            strangers = [whose for whose in writers.found.get(key, {}) if whose != party(process)]
            if process.role in APART and process.role not in UPPER and party(process) is not None and (
                    strangers or key in instance.log_pipes):
                yield Finding(process, "read-pipe", "reads %s (descriptor %d), which others write" % (
                    one.target, one.number), "no pipe but the own ones")


def _sockets(instance):
    holders = Holders()
    for process in instance.processes:
        if process.role == "listener":  # keeps every connection: that is its work
            continue
        for one in process.descriptors:
            if one.kind == "socket" and not instance.socket(process, one).listens:
                holders.add(one.key, process, one)
    for process, one, other, others in holders.common():
        if not (still_there(process.pid, one) and still_there(other.pid, others)):
            continue  # one after the other, not both at once
        if instance.is_client(one.key):
            yield Finding(process, "shared-connection", "holds a client connection (descriptor %d) that %s holds" % (
                one.number, shown_party(other)), "a connection is one identity's", True)
        else:
            yield Finding(process, "shared-socket", "holds a socket (%s, descriptor %d) that %s holds too" % (
                instance.socket(process, one).shown(), one.number, shown_party(other)), "one of one identity alone")
