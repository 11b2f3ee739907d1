"""One private httpd: its own ServerRoot, its own ports, its own processes, started and ended by pid only.

At the end it must have left no process and no line in its error_log that the test did not expect.
"""
import ctypes
import os
import random
import re
import signal
import socket
import subprocess
from pathlib import Path

from . import client, proc
from .waiting import poll

MARK = "ITK2_TEST_INSTANCE"
RESUMING = "resuming normal operations"
USUAL_LINES = (
    RESUMING,
    r"AH00094: Command line:",
    r"caught SIGTERM, shutting down",
    r"caught SIGWINCH, shutting down gracefully",
    r"Graceful restart requested, doing restart",
    r"SIGHUP received.  Attempting to restart",
    r"ITK2007: ",  # what protections are in force
    r"ITK2021: ",  # whose shared memory is kept apart
    r"ITK2212: ",  # what protections parsers have
    r"ITK2111: ",  # what listeners have
    r"ITK2313: ",  # what pools may take
    r"ITK2825: /usr/sbin/sendmail ",  # this machine's mailer is set-uid
    r"ssl:warn.*AH01882",  # httpd was brought up to date on this machine, and OpenSSL was not
)

# What prefork says at restarts, and is not to be seen of ours.
CONTROL_LINES = (r"mpm_prefork:warn.*AH00167", r"ssl:warn.*AH0202[67]")


def adopt_orphans():
    """Makes this process the parent of every orphan below it, so that none escapes the count."""
    assert ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER


def free_ports(count):
    """Ports below the range clients get theirs from, free on both loopbacks."""
    found = []
    while len(found) < count:
        port = random.randrange(12000, 32000)
        try:
            for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
                with socket.socket(family) as probe:
                    probe.bind((host, port))
        except OSError:
            continue
        if port not in found:
            found.append(port)
    return found


class Instance:
    def __init__(self, plan, directory, tree):
        self.plan, self.directory, self.tree = plan, Path(directory), tree
        self.directory.mkdir()
        self.directory.chmod(0o755)
        http, https, *spare = free_ports(4)
        self.ports = {"http": http, "https": https}
        self.spare_ports = spare  # for plans that listen on more
        self.config = self.directory / "httpd.conf"
        self.pid_file = self.directory / "httpd.pid"
        self.master = None
        self.foreground = None
        self.wrapper, self.further_environment = (), {}  # a command that starts it, and what that hands on
        self.known = set()
        self.allowed = [re.compile(line) for line in USUAL_LINES + (() if plan.kind == "itk2" else CONTROL_LINES)]
        self.write_config()

    def write_config(self):
        """Writes the plan's text; again after a change of the plan, before a restart."""
        text = self.plan.text(self.directory, self.ports, self.tree)
        for number, port in enumerate(self.spare_ports):
            text = text.replace(f"@PORT{number}@", str(port))
        self.config.write_text(text.replace("@DIR@", str(self.directory)))

    # -- life ------------------------------------------------------------------------------------------------

    def command(self, *arguments):
        return [*self.wrapper, "apache2", "-f", str(self.config), *arguments]

    def environment(self):
        return {"PATH": os.environ["PATH"], "LANG": "C", "TZ": "UTC", MARK: str(self.directory),
                **self.further_environment}

    def try_start(self, **process_options):
        """Runs `-k start` and gives the finished command, whatever came of it."""
        return subprocess.run(self.command("-k", "start"), env=self.environment(), text=True, capture_output=True,
                              timeout=60,
                              **process_options)

    def start(self, mode="daemon", **process_options):
        """mode: daemon (-k start), foreground (-D FOREGROUND) or single (-X)."""
        if mode == "daemon":
            done = self.try_start(**process_options)
            assert done.returncode == 0, f"does not start: {done.stdout}{done.stderr}{self.log()}"
        else:
            # A process group of its own: httpd signals the whole group it is in.
            process_options.setdefault("start_new_session", True)
            self.foreground = subprocess.Popen(self.command(*{"foreground": ["-D", "FOREGROUND"],
                                                              "single": ["-X"]}[mode]),
                                               env=self.environment(), stdout=subprocess.DEVNULL,
                                               stderr=(self.directory / "stderr").open("wb"), **process_options)
        if mode == "single" and self.plan.kind != "itk2":
            poll(self.pid_file.exists, lambda: f"{self.plan.kind} has no pid file: {self.log()}")  # prefork says nothing
        else:
            self.wait_until_resumed(1)
        self.master = proc.Process.of(int(self.pid_file.read_text()))
        self.remember()
        return self

    def resumed(self):
        """How many generations have begun, by the log's own words."""
        return self.log().count(RESUMING)

    def wait_until_resumed(self, count):
        def resumed_or_dead():
            dead = self.foreground is not None and self.foreground.poll() is not None
            assert not dead, f"ended with {self.foreground.returncode}: {self.log()}"
            return self.resumed() >= count and self.pid_file.exists()
        poll(resumed_or_dead, lambda: f"generation {count} of {self.plan.kind}: {self.log()}")

    def graceful(self):
        """USR1, and back when the master says that it serves the next generation."""
        self._restart(signal.SIGUSR1)

    def hard_restart(self):
        self._restart(signal.SIGHUP)

    def _restart(self, number):
        before = self.resumed()
        self.remember()
        os.kill(self.master.pid, number)
        self.wait_until_resumed(before + 1)

    def stop(self, number=signal.SIGTERM):
        """Ends the server; every process of it must go, and its log must hold nothing unexpected."""
        if self.master is not None:
            self.remember()
            if self.master.alive():
                os.kill(self.master.pid, number)
            self.wait_until_gone()
            self.master = None
        self.check_log()

    def destroy(self):
        """Whatever the test did: no process of this server stays. Ends them one by one, by pid."""
        for process in self.remember():
            if process.alive():
                try:
                    os.kill(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.wait_until_gone()

    # -- processes -------------------------------------------------------------------------------------------

    def remember(self):
        """Adds the processes there are now to the known ones: below the master, or carrying this server's mark."""
        if self.master is not None:
            self.known.add(self.master)
            self.known.update(proc.descendants(self.master.pid))
        self.known.update(self._marked())
        return self.known

    def _marked(self):
        mark = f"{MARK}={self.directory}\0".encode()
        for process in proc.descendants(os.getpid()):
            try:
                with open(f"/proc/{process.pid}/environ", "rb") as environ:
                    if mark in environ.read():
                        yield process
            except OSError:
                continue

    def reap(self):
        """Takes leave of orphans of this server that have ended (this process has adopted them)."""
        if self.foreground is not None:
            self.foreground.poll()
        for process in self.known:
            if self.foreground is None or process.pid != self.foreground.pid:
                try:
                    os.waitpid(process.pid, os.WNOHANG)
                except ChildProcessError:
                    pass

    def survivors(self):
        self.reap()
        self.known.update(self._marked())
        return [process for process in self.known if process.alive()]

    def wait_until_gone(self, deadline=60):
        poll(lambda: not self.survivors(), lambda: f"still there: {[(p.pid, p.title()) for p in self.survivors()]}",
             deadline, every=0.05)

    def processes(self):
        """Every living process below the master, by now."""
        return [process for process in proc.descendants(self.master.pid) if process.alive()]

    def role(self, process):
        """master, listener, spare or worker; other for what is none of the server's own (piped logs, CGI)."""
        if process == self.master:
            return "master"
        if os.path.basename(process.executable()) == "itk2-listener":
            return "listener"
        found = re.match(r"itk2: (\w+)", process.title())
        return found.group(1) if found else "other"

    def in_role(self, role):
        found = []
        for process in self.processes():
            try:
                if self.role(process) == role:
                    found.append(process)
            except proc.Vanished:
                continue
        return found

    def await_no_worker(self):
        """Until none lives, and the master has taken leave of those that have ended: what was theirs is theirs till then."""
        poll(lambda: not self.in_role("worker") and all(one.alive() for one in proc.descendants(self.master.pid)),
             lambda: f"workers stay: {[worker.title() for worker in self.in_role('worker')]}")

    def client_ends(self, state=None):
        """The server's ends of connections to its HTTP port: {peer: inode of its socket}; those in a state of the kernel's
        ("01" is established), or all."""
        local = f":{self.ports['http']:04X}"
        with open("/proc/net/tcp", encoding="ascii") as table:
            rows = [line.split() for line in table]
        return {row[2]: row[9] for row in rows if row[1].endswith(local) and state in (None, row[3])}

    def held_by_workers(self):
        """How many clients' connections workers have a descriptor of."""
        sockets = {f"socket:[{inode}]" for inode in self.client_ends().values()}
        return sum(target in sockets for worker in self.in_role("worker") for target in worker.descriptors().values())

    def identities_memory(self):
        """The descriptors of identities' memory that the master holds, that made ahead for the next one included."""
        return [number for number, target in self.master.descriptors().items() if "itk2 segments" in target]

    # -- log -------------------------------------------------------------------------------------------------

    def log(self):
        try:
            return (self.directory / "error.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def allow(self, *patterns):
        """Lines of the error_log that may be there."""
        self.allowed += [re.compile(pattern) for pattern in patterns]

    def expect(self, pattern, deadline=30):
        """Waits for a line of the error_log, and allows it."""
        self.allow(pattern)
        return poll(lambda: re.search(pattern, self.log()), lambda: f"no line like {pattern!r} in:\n{self.log()}",
                    deadline)

    def check_log(self):
        unexpected = [line for line in self.log().splitlines()
                      if not any(pattern.search(line) for pattern in self.allowed)]
        assert not unexpected, f"unexpected in the error_log of {self.plan.kind}:\n" + "\n".join(unexpected[:20])

    # -- asking ----------------------------------------------------------------------------------------------

    def connect(self, tls=False, **options):
        return client.Connection(self.ports["https" if tls else "http"], tls=tls, **options)

    def connect_to(self, port, **options):
        return client.Connection(port, **options)

    def get(self, path, site=None, **options):
        """One answer over a connection of its own."""
        host = site or self.plan.sites[0].name
        if options.get("tls"):
            options.setdefault("sni", host)
        with self.connect(**options) as connection:
            return connection.get(path, host, close=True)

    def server_status(self):
        """server-status?auto as a dictionary."""
        answer = self.get("/server-status?auto")
        assert answer.status == 200, answer
        return dict(line.split(": ", 1) for line in answer.body.decode().splitlines() if ": " in line)
