"""Checks of I10 to I13, I20 and I22 for one process: its session, what it holds, what it can send, what filters it."""
from .finding import Finding
from .sockets import SEND_SHUT

CHILDREN = ("listener", "scribe", "spare", "parser", "resolver", "teller", "worker")
# The most of each that a role holds, besides logs and /dev/null; None: as many as it likes.
MANIFEST = {
    "listener": {"seqpacket": None, "read-pipe": None, "write-pipe": 1, "listening": None, "client": None,
                 "ended connection": None, "anon": 4, "memfd": 2, "log": None},
    # The lock files of modules, until its order brings those of its identity.
    "spare": {"seqpacket": 1, "write-pipe": 1, "log": None, "lock": 8},
    "scribe": {"seqpacket": 1, "read-pipe": None, "anon": 1, "log": None},
    "resolver": {"write-pipe": 1, "log": None},
    "teller": {"seqpacket": 1, "log": None},
    # Its channel, its link to the master, its teller.
    "parser": {"seqpacket": 3, "write-pipe": 2, "log": None, "memfd": 8, "client": 1, "ended connection": 1, "anon": 4},
}
HARMLESS = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")


def check(instance):
    for process in instance.processes:
        yield from _listening(instance, process)
        if process.role in CHILDREN and not instance.foreign:
            yield from _session(process)
        if process.role in CHILDREN:
            yield from _hidden(process)
            yield from _descriptors(instance, process)
            yield from _channels(instance, process)
            yield from _root(instance, process)
        if process.role == "listener":
            yield from _listener(instance, process)
        if process.role == "worker":
            yield from _filters(instance, process)
    for stranger in instance.strangers:
        yield Finding(stranger, "listening-stranger", "holds a listening socket of the server (%s)" %
                      stranger.descriptor, "master and listener alone have them")


def _listening(instance, process):
    if process.role in ("master", "listener", "newborn"):
        return
    ports = sorted({instance.socket(process, one).local for one in process.descriptors
                    if one.kind == "socket" and instance.socket(process, one).listens} & instance.ports)
    if ports:
        yield Finding(process, "listening", "holds listening sockets of port %s" % ", ".join(map(str, ports)),
                      "master and listener alone have them")


def _session(process):
    if process.session != process.pid:
        yield Finding(process, "session", "is in session %d" % process.session, "leads a session of its own")


def _hidden(process):
    if process.dumpable:
        yield Finding(process, "dumpable", "lets its user look into its memory", "forbids dumps")


def _descriptors(instance, process):
    seen = {}
    for one in process.descriptors:
        sort = _sort(instance, process, one)
        if sort is None:
            continue
        seen.setdefault(sort, []).append(one)
        yield from _file(process, one, sort)
    manifest = MANIFEST.get(process.role)
    if manifest is None:
        return
    for sort, ones in sorted(seen.items()):
        most = manifest.get(sort, 0)
        if most is not None and len(ones) > most:
            one = ones[-1]
            yield Finding(process, "manifest", "holds %s: descriptor %d, %s (%s)" % (
                sort if not most else "%d of %s" % (len(ones), sort), one.number, one.target, one.how()),
                "%s of it" % (most or "none"))


def _sort(instance, process, one):
    """What a descriptor is in the manifest's words; None for what does no harm."""
    if one.kind == "device":
        return None if one.target in HARMLESS or one.target.startswith("/dev/pts/") else "device"
    if one.kind == "pipe":
        if not one.writes:
            return "read-pipe"
        # A scribe writes to the piped logs of earlier generations too, which the master has let go of.
        if one.key in instance.told if process.role == "scribe" else one.key not in instance.log_pipes:
            return "write-pipe"
        return "read-pipe" if one.reads else "log"
    if one.kind == "socket":
        known = instance.socket(process, one)
        if known.family == "closed":
            return None
        if known.listens:
            return "listening"
        if instance.is_client(one.key):
            return "client"
        if known.family == "tcp" and known.local is None:
            return "ended connection"  # what the client has reset is in no table
        return known.form if known.family == "unix" and known.form == "seqpacket" else "socket"
    if one.kind == "file" and one.target.endswith(" (deleted)") and one.key in instance.masters_files:
        return "lock"
    if one.kind == "file":
        return "log" if one.writes and one.appends else "file"
    return one.kind


def _file(process, one, sort):
    """What was opened with the master's rights. A log may be: it is only added to."""
    if sort in ("device", "block", "other"):
        yield Finding(process, "device", "holds %s (descriptor %d, %s)" % (one.target, one.number, one.how()),
                      "no device")
    elif one.target.startswith("/proc/"):
        yield Finding(process, "proc", "holds %s (descriptor %d)" % (one.target, one.number), "nothing of /proc")
    elif sort in ("file", "lock") and process.role == "worker" and not one.may_be_opened_by(process.own):
        yield Finding(process, "foreign-file", "holds %s (descriptor %d, %s), which its user could not open" % (
            one.target, one.number, one.how()), "nothing opened with another's rights but logs, to append to")


def _channels(instance, process):
    """On the socket to the process above nothing can be sent, so no descriptor either."""
    if not instance.sockets.knows_unix:
        return
    above = _keys_above(instance)
    for one in process.descriptors:
        known = instance.sockets.found.get(one.key) if one.kind == "socket" else None
        if known is None or known.family != "unix" or known.peer not in above or above[known.peer] == process.pid:
            continue
        if process.role == "listener" and above[known.peer] != instance.master.pid:
            continue
        if not known.shut & SEND_SHUT:
            yield Finding(process, "channel", "can send on its channel (descriptor %d)" % one.number,
                          "shut: only who is above sends")


def _keys_above(instance):
    """{inode of a unix socket: pid} of the master and the listeners."""
    return {one.key: process.pid for process in instance.of("master", "listener") for one in process.descriptors
            if one.kind == "socket"}


def _root(instance, process):
    if process.namespaces.root != instance.master.namespaces.root and process.role != "listener":
        yield Finding(process, "root-directory", "has the root directory %s" % process.namespaces.root,
                      "the master's: %s" % instance.master.namespaces.root)


def _listener(instance, process):
    if process.own.filters <= instance.master.own.filters:
        yield Finding(process, "listener-filter", "has no filter of system calls", "seccomp, its system calls alone")


def _filters(instance, process):
    """A filter is inherited by what a site starts, and breaks set-uid programs there."""
    if process.own.filters > instance.master.own.filters:
        yield Finding(process, "worker-filter", "is under %d filters of system calls" % process.own.filters,
                      "no more than the master: %d" % instance.master.own.filters)
    if process.own.no_new_privileges and not instance.master.own.no_new_privileges:
        yield Finding(process, "no-new-privileges", "can start no set-uid program", "as the master: it could")
