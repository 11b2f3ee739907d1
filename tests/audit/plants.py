"""Every promise once broken: {name: Plant}. `check` is what the audit must find, of the fake in `place`."""
import fcntl
import mmap
import os
import stat
import threading
from dataclasses import dataclass, field

import kernel
from life import LISTENER, ONE, OTHER, PARSER, TWO, idle


@dataclass(frozen=True)
class Plant:
    check: str
    place: str                      # whose finding it is
    change: object = lambda life: None
    others: dict = field(default_factory=dict)  # {place: change} beside it
    options: tuple = ()
    also: frozenset = frozenset()   # further checks that the same thing breaks, of anybody
    maps: tuple = ()                # (uid_map, gid_map) that root writes for the place


def having(**attributes):
    def change(life):
        for name, value in attributes.items():
            setattr(life, name, value)
    return change


def keeping(*names):
    return lambda life: life.keep.extend(names)


def opening(function):
    return lambda life: life.opens.append(function)


def afterwards(function):
    return lambda life: life.afterwards.append(function)


def both(first, second):
    def change(life):
        first(life)
        second(life)
    return change


def ids(uid, gid=None):
    return having(uids=(uid,) * 3, gids=(uid if gid is None else gid,) * 3)


def opened(name, flags, mode=0o600, owner=0):
    """A file of the server's folder, made by whoever comes first."""
    def function(life):
        path = life.server.folder / name
        descriptor = os.open(path, flags | os.O_CREAT, mode)
        os.fchown(descriptor, owner, owner)
        os.fchmod(descriptor, mode)
        return descriptor
    return opening(function)


def a_pipe_of_its_own(_life):
    """One descriptor that reads and writes."""
    reading, writing = os.pipe()
    descriptor = os.open(f"/proc/self/fd/{reading}", os.O_RDWR)
    os.close(reading)
    os.close(writing)
    return descriptor


def with_thread_that_keeps_a_capability(life):
    def keep(_life):
        begun = threading.Event()

        def stay():
            kernel.keep_capabilities()
            begun.set()
            idle_thread()
        threading.Thread(target=stay, daemon=True).start()
        begun.wait()
    life.opens.append(keep)


def idle_thread():
    threading.Event().wait()


def locked(life):
    descriptor = os.open(life.server.folder / "locked", os.O_RDONLY | os.O_CREAT, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def memory_that_may_be_written(writable):
    """A file's memory: one maps it to write, the other could with mprotect()."""
    def function(life):
        descriptor = os.open(life.server.folder / "memory", os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(descriptor, 4096)
        life.mapped = mmap.mmap(descriptor, 4096, prot=mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0))
    return opening(function)


def a_device(life):
    path = life.server.folder / "device"
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    return os.open(path, os.O_RDWR)


def becomes(uid):
    def change(life):
        os.setresuid(uid, uid, uid)
        kernel.forbid_dumps()
    return change


def title(text):
    return afterwards(lambda life: kernel.set_title(text))


CHOWN = 1 << kernel.CHOWN
HOLDING_IDS = having(permitted=kernel.SET_IDS)
PLANTS = {
    "a worker that is root": Plant("root", "one", ids(0, ONE), also={"worker-groups"}),
    "a worker that could be root again": Plant("root", "one", having(uids=(ONE, ONE, 0)), also={"worker-ids"}),
    "a master with a client": Plant("master-client", "master", keeping("accepted")),
    "a worker of root's group": Plant("root-group", "one", having(groups=[0]), also={"worker-groups"}),
    "a worker of the listener's account": Plant("accounts", "one", ids(LISTENER)),
    "a site's user as the spares' account": Plant("accounts", "spare", options=("--identity", "65002"),
                                                  also={"identity"}),
    "listener and parsers of one account": Plant("accounts", "master", others={"parser": ids(LISTENER)}, options=(
        "--parser-account", str(LISTENER))),
    "a listener of another account": Plant("listener-account", "listener", ids(OTHER)),
    "a listener that could be another": Plant("listener-ids", "listener", having(uids=(OTHER, LISTENER, LISTENER))),
    "a listener in a group": Plant("listener-groups", "listener", having(groups=[OTHER])),
    "a listener with a bounding set": Plant("listener-capabilities", "listener", having(bounding=CHOWN)),
    "a spare in a group": Plant("spare-groups", "spare", having(groups=[OTHER])),
    "a spare that holds more": Plant("spare-capabilities", "spare", having(permitted=kernel.SET_IDS | CHOWN)),
    "a spare with a bounding set": Plant("spare-capabilities", "spare", having(bounding=kernel.SET_IDS)),
    "a spare that could be another": Plant("spare-ids", "spare", having(uids=(65002, 65002, OTHER))),
    "a spare in a namespace": Plant("namespace", "spare", having(namespace="made by root")),
    "a spare with a client": Plant("client", "spare", keeping("accepted"), also={"manifest", "client-and-privilege"}),
    "a worker with a bounding set": Plant("worker-capabilities", "one", having(bounding=CHOWN)),
    "a worker with a permitted set": Plant("worker-capabilities", "one", having(permitted=CHOWN)),
    "a worker with an inheritable set": Plant("worker-capabilities", "one", having(inheritable=CHOWN, permitted=CHOWN)),
    "a worker with an ambient set": Plant("worker-capabilities", "one", having(
        inheritable=CHOWN, permitted=CHOWN, ambient=kernel.CHOWN)),
    "a worker's thread with a capability": Plant("worker-capabilities", "one", with_thread_that_keeps_a_capability),
    "a worker that could be another": Plant("worker-ids", "one", having(uids=(ONE, ONE, OTHER))),
    "a worker of another group": Plant("worker-ids", "one", having(gids=(ONE, ONE, OTHER))),
    "a worker in a group of nobody's": Plant("worker-groups", "one", having(groups=[OTHER])),
    "a worker that is no identity": Plant("identity", "one", options=("--identity", str(TWO))),
    "an identity's worker with another group": Plant("identity", "one", options=(
        "--identity", f"{ONE}:{OTHER}", "--identity", str(TWO))),
    "a worker that calls itself a spare": Plant("title", "one", title("itk2: spare")),
    "a worker that calls itself another's": Plant("title", "one", title("itk2: worker root")),
    "a program that holds everything": Plant("program-capabilities", "program", having(
        permitted=kernel.SET_IDS, bounding=kernel.SET_IDS, leads_session=False, uids=(0,) * 3)),
    "a worker with a client and a capability": Plant(
        "client-and-privilege", "one", both(HOLDING_IDS, keeping("accepted")), also={"worker-capabilities"}),
    "a resolver with a capability": Plant("bystander-capabilities", "resolver", having(bounding=CHOWN)),
    "a teller that could be another": Plant("bystander-ids", "teller", having(uids=(65002, 65002, OTHER))),
    "a parser that holds more": Plant("parser-capabilities", "parser", having(permitted=kernel.SET_IDS | CHOWN)),
    "a parser with a bounding set": Plant("parser-capabilities", "parser", having(bounding=CHOWN)),
    "a parser that could be another": Plant("parser-ids", "parser", having(uids=(PARSER, PARSER, OTHER))),
    "a parser in the master's namespace": Plant("parser-namespace", "parser", having(namespace=None)),
    "a parser of two uids": Plant("parser-map", "parser", maps=(f"{ONE} {ONE} 2", f"{ONE} {ONE} 1")),
    "a worker's namespace with another's uid": Plant("worker-map", "one", having(namespace="made by root"),
                                                     maps=(f"{TWO} {TWO} 1", f"{ONE} {ONE} 1")),
    "a worker's namespace with another's gid": Plant("worker-map", "one", having(namespace="made by root"),
                                                     maps=(f"{ONE} {ONE} 1", f"{ONE} {ONE} 2")),
    "a parser that owns its namespace": Plant("namespace-owner", "parser", having(namespace="own")),
    "a parser inside of another namespace": Plant("namespace-parent", "parser", having(namespace="nested")),
    "workers with common memory": Plant("shared-memory", "two", keeping("memory"), {"one": keeping("memory")}),
    "workers of which one may write": Plant("shared-memory", "two", memory_that_may_be_written(False),
                                            {"one": memory_that_may_be_written(True)}, also={"shared-lock"}),
    "workers with common memory in a descriptor": Plant("shared-memory-file", "two", keeping("memory file"),
                                                        {"one": keeping("memory file")}),
    "workers with a common lock file": Plant("shared-lock", "two", opened("lock", os.O_RDWR, 0o666),
                                             {"one": opened("lock", os.O_RDWR, 0o666)}),
    "a worker that locks what another waits for": Plant(
        "held-lock", "one", opening(locked), {"two": opened("locked", os.O_RDONLY, 0o644)}),
    "a worker in its parent's session": Plant("session", "one", having(leads_session=False)),
    "a worker that may be looked into": Plant("dumpable", "one", having(dumps=1)),
    "a listener that may be looked into": Plant("dumpable", "listener", having(dumps=1)),
    "a worker that listens": Plant("listening", "one", keeping("listening")),
    "a spare that listens": Plant("listening", "spare", keeping("listening"), also={"manifest"}),
    "a stranger that listens": Plant("listening-stranger", "stranger"),
    "a spare with a file": Plant("manifest", "spare", opened("file", os.O_RDONLY)),
    "a spare with two channels": Plant("manifest", "spare", keeping("write end")),
    "a parser with a directory": Plant("manifest", "parser", opening(lambda life: os.open("/", os.O_RDONLY))),
    "a listener with a file": Plant("manifest", "listener", opened("file", os.O_RDONLY)),
    "a teller with a pipe": Plant("manifest", "teller", keeping("write end")),
    "a worker with a device": Plant("device", "one", opening(a_device)),
    "a worker with a file of another process": Plant(
        "proc", "one", opening(lambda life: os.open("/proc/1/status", os.O_RDONLY))),
    "a worker with a file of root's": Plant("foreign-file", "one", opened("secret", os.O_RDONLY)),
    "a worker that may overwrite a log of root's": Plant("foreign-file", "one", opened("secret", os.O_WRONLY)),
    "workers with a common log": Plant("shared-log", "two", opened("log", os.O_WRONLY | os.O_APPEND),
                                       {"one": opened("log", os.O_WRONLY | os.O_APPEND)}),
    "a scribe with a worker's log": Plant("shared-log", "scribe", opened("log", os.O_WRONLY | os.O_APPEND),
                                          {"one": opened("log", os.O_WRONLY | os.O_APPEND)}),
    "a scribe that can report": Plant("manifest", "scribe", keeping("write end"), {"listener": keeping("read end")}),
    "a scribe with both ends of a pipe": Plant("manifest", "scribe", opening(a_pipe_of_its_own)),
    "a listener with both ends of two pipes": Plant(
        "manifest", "listener", both(opening(a_pipe_of_its_own), opening(a_pipe_of_its_own))),
    "a scribe with a file": Plant("manifest", "scribe", opened("file", os.O_RDONLY)),
    "workers with a common pipe": Plant("shared-pipe", "two", keeping("write end"), {"one": keeping("write end")}),
    "a worker that reads the piped log": Plant("read-pipe", "one", keeping("log read")),
    "a worker that reads another's pipe": Plant("read-pipe", "two", keeping("read end"), {"one": keeping("write end")}),
    "workers with a common socket": Plant("shared-socket", "two", keeping("socket"), {"one": keeping("socket")},
                                          also={"channel"}),
    "workers with a common connection": Plant("shared-connection", "two", keeping("accepted"),
                                              {"one": keeping("accepted")}),
    "a worker in a root directory of its own": Plant(
        "root-directory", "one", opening(lambda life: os.chroot(life.server.folder))),
    "a worker that can send on its channel": Plant("channel", "one", having(shuts_channel=False)),
    "a worker under a filter": Plant("worker-filter", "one", having(filtered=True)),
    "a worker without set-uid programs": Plant("no-new-privileges", "one",
                                               afterwards(lambda life: kernel.no_new_privileges())),
    "a listener without a filter": Plant("listener-filter", "listener", having(filtered=False)),
}
