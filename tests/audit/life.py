"""The birth of one fake: what it does to be what its place in the server says, step by step, for a plant to change."""
import os
import signal
import socket
from pathlib import Path

import kernel

LISTENER, SPARE, PARSER, ONE, TWO, OTHER = 65001, 65002, 65003, 30001, 30002, 30003
UIDS = {"listener": LISTENER, "spare": SPARE, "parser": PARSER, "one": ONE, "two": TWO, "scribe": SPARE,
        "resolver": SPARE, "teller": SPARE}
LISTENER_PROGRAM = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import kernel
kernel.forbid_dumps(int(sys.argv[2]))
os.write(int(sys.argv[3]), b"listener %d\\n" % os.getpid())
os.close(int(sys.argv[3]))
while True: signal.pause()
"""


def idle():
    while True:
        signal.pause()


def made_by_root(nested=False):
    """A descriptor of a user namespace that root has made, and nobody is in; or of one inside of it."""
    asking, telling = os.pipe()
    child = os.fork()
    if child == 0:
        kernel.new_user_namespace()
        if nested:
            for name, text in (("setgroups", "deny"), ("gid_map", "0 0 1"), ("uid_map", "0 0 1")):
                Path(f"/proc/self/{name}").write_text(text)
            kernel.new_user_namespace()
        os.write(telling, b"made")
        idle()
    os.read(asking, 4)
    found = os.open(f"/proc/{child}/ns/user", os.O_RDONLY)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(asking)
    os.close(telling)
    return found


class Life:
    def __init__(self, server, place):
        self.server, self.place = server, place
        uid = UIDS.get(place, 0)
        self.uids, self.gids, self.groups = (uid,) * 3, (uid,) * 3, []
        self.permitted = kernel.SET_IDS if place in ("spare", "parser") else 0
        self.inheritable = self.bounding = 0
        self.ambient = None
        self.namespace = "made by root" if place == "parser" else None  # or "nested", "own"
        self.filtered = place == "listener"
        self.no_new_privileges = False
        self.leads_session, self.dumps, self.shuts_channel = True, 0, True
        self.keep = []         # of what the master has, by name: descriptors, "memory"
        self.opens = []        # functions of this Life, called as root: each gives a descriptor, or None
        self.afterwards = []   # called when it is what it is to be
        self.on_signal = None  # what SIGUSR1 does

    def be(self, lower, up):
        """Never returns."""
        if self.leads_session:
            os.setsid()
        if "memory" not in self.keep:
            self.server.memory.close()
        down = lower.fileno()
        own = {"resolver": [up], "teller": [down], "scribe": [down], "program": []}.get(self.place, [down, up])
        kept = own + [self.server.ready] + [self.server.held[name] for name in self.keep if name != "memory"]
        if self.place == "listener":
            kept += [self.server.held[name] for name in ("listening", "accepted")]
        if self.place in ("one", "two"):
            kept.append(self._log())
        kept += [one for one in [function(self) for function in self.opens] if one is not None]
        for below in ("teller",) if self.place == "parser" else ("program",) if self.place == "one" else ():
            self.server.fork(below)
        self._become(kept)
        for function in self.afterwards:
            function(self)
        if self.on_signal:
            signal.signal(signal.SIGUSR1, lambda *_: self.on_signal(self))
        if self.place == "listener":
            self._start_listener(kept)
        os.write(self.server.ready, f"{self.place} {os.getpid()}\n".encode())
        os.close(self.server.ready)
        if self.place == "program":
            os.execv("/bin/sleep", ["sleep", "600"])
        idle()

    def _log(self):
        return os.open(self.server.folder / f"log-{self.place}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def _become(self, kept):
        if self.filtered:
            kernel.filter_nothing()
        if self.no_new_privileges:
            kernel.no_new_privileges()
        name_space = made_by_root(self.namespace == "nested") if self.namespace in ("made by root", "nested") else None
        if self.inheritable:
            kernel.set_capabilities(kernel.permitted(), self.inheritable)  # while the bounding set allows it
        if not name_space:
            kernel.drop_bounding(self.bounding)
        kernel.keep_capabilities()
        os.setgroups(self.groups)
        os.setresgid(*self.gids)
        os.setresuid(*self.uids)
        if self.namespace == "own":
            kernel.new_user_namespace()
        elif name_space:
            kernel.set_capabilities(kernel.permitted())
            kernel.enter_user_namespace(name_space)
        if self.namespace:
            kernel.drop_bounding(self.bounding)
        kernel.set_capabilities(self.permitted, self.inheritable)
        if self.ambient is not None:
            kernel.raise_ambient(self.ambient)
        close_all_but(kept)
        kernel.prctl(1, signal.SIGKILL)
        kernel.forbid_dumps(self.dumps)

    def _start_listener(self, kept):
        for number in kept:
            os.set_inheritable(number, True)
        os.execve(self.server.listener_program,
                  ["itk2-listener", "-c", LISTENER_PROGRAM, str(Path(kernel.__file__).parent), str(self.dumps),
                   str(self.server.ready)], {"PYTHONHOME": "/usr", "PYTHONDONTWRITEBYTECODE": "1"})


def close_all_but(kept):
    first = 3
    for number in sorted({*kept, 1 << 16}):
        os.closerange(first, number)
        first = number + 1


def channel(shut):
    """(upper, lower) of a socket, (reports, up) of a pipe."""
    upper, lower = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if shut:
        upper.shutdown(socket.SHUT_RD)
    return (upper, lower), os.pipe()
