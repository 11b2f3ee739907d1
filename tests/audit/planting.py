"""A server of fakes that keeps every promise, but for what a test plants: a master with a listener, a spare, a parser
and two workers, each with what it is to have. No line of it is the server's.

A plant is {place: function(Life)}; the function changes what that fake does at its birth. Places: master, listener,
spare, parser, one, two (the workers); and scribe, resolver, teller (the parser's), program (started by `one`),
stranger: they are there only when they are planted.
"""
import mmap
import os
import shutil
import signal
import socket
import traceback
from pathlib import Path

import kernel
from itk2_testing.waiting import poll
from life import Life, channel, close_all_but, idle

ALWAYS = ("listener", "spare", "parser", "one", "two")


class Server:
    def __init__(self, folder, plant):
        self.folder, self.plant, self.pids = Path(folder), plant, {}
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        self.listener_program = self.folder / "itk2-listener"

    # -- in the test's process -------------------------------------------------------------------------------

    def __enter__(self):
        shutil.copy(os.path.realpath("/usr/bin/python3"), self.listener_program)
        reading, self.ready = os.pipe()
        self.master = os.fork()
        if self.master == 0:
            self._run(self._be_master)
        self.pids["master"] = self.master
        os.close(self.ready)
        self._reading = open(reading)
        wanted = {*ALWAYS, *self.plant}
        while not wanted <= set(self.pids):
            line = self._reading.readline()
            place, _, rest = line.strip().partition(" ")
            if not rest.isdigit():
                self.__exit__()
                raise AssertionError(f"fakes that are not there: {wanted - set(self.pids)}: {line}")
            self.pids[place] = int(rest)
        return self

    def __exit__(self, *_):
        for pid in self.pids.values():
            os.kill(pid, signal.SIGKILL)
        self._reading.close()
        poll(lambda: all(_gone(pid) for pid in self.pids.values()), "a fake stays")

    def signal(self, place):
        os.kill(self.pids[place], signal.SIGUSR1)

    def map_ids(self, place, uid_map, gid_map):
        for name, text in (("gid_map", gid_map), ("uid_map", uid_map)):
            Path(f"/proc/{self.pids[place]}/{name}").write_text(text)

    # -- in the fakes ----------------------------------------------------------------------------------------

    def _run(self, function, *arguments):
        """Ends this process when the function does, or its parent."""
        try:
            kernel.prctl(1, signal.SIGKILL)
            function(*arguments)
        except BaseException:
            os.write(self.ready, f"failed {traceback.format_exc()!r}\n".encode())
        finally:
            os._exit(1)

    def _be_master(self):
        null = os.open("/dev/null", os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        close_all_but([self.ready])
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.memory = mmap.mmap(-1, 4096)  # shared with every fake that does not give it up
        objects = self._make_objects()
        self.held = {name: one if isinstance(one, int) else one.fileno() for name, one in objects.items()}
        for place in ("listener", "spare", "parser", "one", "two", "scribe", "resolver", "stranger"):
            self.fork(place)
        self._be_itself(objects)
        os.write(self.ready, f"master {os.getpid()}\n".encode())
        os.close(self.ready)
        idle()

    @staticmethod
    def _make_objects():
        """What fakes may be given by name."""
        listening = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(listening.getsockname())
        read_end, write_end = os.pipe()
        log_read, log_write = os.pipe()
        pair = socket.socketpair()
        return {"listening": listening, "client": client, "accepted": listening.accept()[0], "socket": pair[0],
                "other socket": pair[1], "read end": read_end, "write end": write_end, "log read": log_read,
                "log write": log_write, "memory file": os.memfd_create("memory")}

    def _be_itself(self, objects):
        life = Life(self, "master")
        self.plant.get("master", lambda _: None)(life)
        for name in ("accepted", "read end", "write end", "log read"):
            if name not in life.keep:
                one = objects[name]
                os.close(one) if isinstance(one, int) else one.close()

    def fork(self, place):
        if place not in ALWAYS and place not in self.plant:
            return
        life = Life(self, place)
        self.plant.get(place, lambda _: None)(life)
        (upper, lower), (reports, up) = channel(life.shuts_channel)
        pid = os.fork()
        if pid == 0:
            if place == "stranger":
                self._run(self._be_stranger)
            self._run(life.be, lower, up)
        self.uppers = getattr(self, "uppers", []) + [(upper, reports)]
        lower.close()
        os.close(up)

    def _be_stranger(self):
        if os.fork():
            os._exit(0)
        close_all_but([self.held["listening"], self.ready])
        os.write(self.ready, f"stranger {os.getpid()}\n".encode())
        os.close(self.ready)
        idle()


def _gone(pid):
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
    return not os.path.exists(f"/proc/{pid}")
