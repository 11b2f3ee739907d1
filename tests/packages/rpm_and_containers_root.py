"""A root of its own: this machine's files, unchanged beneath, and above them what a test writes.

Commands run in a mount namespace whose root is the overlay. Nothing reaches the machine's own files; its
processes and its network are shared.
"""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
NOT_SOURCES = shutil.ignore_patterns("build", ".git", "__pycache__", ".pytest_cache", "autom4te.cache")

# By pivot_root, as engines do: the kernel makes no user namespace for a process that has been chrooted.
ENTER = """
place=$1; shift
mount -t overlay overlay -o "lowerdir=/,upperdir=$place/upper,workdir=$place/work" "$place/root"
mount -t proc proc "$place/root/proc"
mount --rbind /dev "$place/root/dev"
cd "$place/root"
pivot_root . .
umount -l .
cd /
exec "$@"
"""


def lacking(*programs):
    """Why a test cannot be run here: the programs that are not installed."""
    missing = [program for program in programs if not shutil.which(program)]
    return f"not installed: {', '.join(missing)}" if missing else ""


def entering(place, *command):
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", ENTER, "sh", str(place), *command]


def why_not():
    """Why there can be no such root, or None."""
    if os.geteuid() != 0:
        return "needs root: a root file system of its own"
    with tempfile.TemporaryDirectory() as place:
        for name in ("upper", "work", "root"):
            Path(place, name).mkdir()
        done = subprocess.run(entering(place, "true"), capture_output=True, text=True)
    return f"no root of its own can be had: {done.stderr.strip()}" if done.returncode else None


def copy_of_sources(place):
    """Without what was built, and with a configure script."""
    shutil.copytree(TOP, place, symlinks=True, ignore=NOT_SOURCES)
    if not (place / "configure").exists():
        subprocess.run(["autoreconf", "-fi"], cwd=place, check=True, capture_output=True, timeout=120)
    return place


class Root:
    def __init__(self, place):
        self.place = Path(place)
        self.upper = self.place / "upper"
        for name in ("upper", "work", "root"):
            (self.place / name).mkdir()
        self.place.chmod(0o755)
        self.upper.chmod(0o755)
        self.servers = []

    def run(self, *command, check=True, environment=(), **options):
        options.setdefault("timeout", 900)
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                       **dict(environment)}
        done = subprocess.run(entering(self.place, *command), env=environment, text=True,
                              stdin=subprocess.DEVNULL if "input" not in options else None,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-4000:]}"
        return done

    def write(self, path, text, mode=0o644, owner=None):
        """Writes a file where the machine's folders stay as they are."""
        file = self.upper / path.lstrip("/")
        self.make_folder(os.path.dirname(path))
        file.write_text(text)
        file.chmod(mode)
        if owner is not None:
            os.chown(file, owner, owner)
        return file

    def make_folder(self, path, mode=0o755, owner=0):
        """With the modes that the machine's own folders above it have."""
        parts, here = Path(path).parts[1:], Path("/")
        for part in parts:
            here = here / part
            above = self.upper / str(here).lstrip("/")
            if above.is_dir():
                continue
            above.mkdir()
            known = here.stat() if here.is_dir() else None
            os.chown(above, known.st_uid if known else owner, known.st_gid if known else owner)
            above.chmod(known.st_mode & 0o7777 if known else mode)

    def read(self, path):
        """What a process in there reads: the upper file, or the machine's."""
        above = self.upper / path.lstrip("/")
        return (above if above.exists() else Path(path)).read_text()

    def start(self, *command, environment=()):
        """A server in the foreground; it and all below it are ended by stop()."""
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **dict(environment)}
        log = open(self.place / "server.log", "w+")
        server = subprocess.Popen(entering(self.place, *command), env=environment, stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=log, start_new_session=True)
        self.servers.append(server)
        return server

    def said(self):
        return (self.place / "server.log").read_text()

    def stop(self):
        for server in self.servers:
            if server.poll() is None:
                server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait(10)
        self.servers = []


def ask(port, host, path, server=None, deadline=20):
    """(status, body) as soon as the server answers at all; none is waited for that has ended."""
    wish = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": host})
    end = time.monotonic() + deadline
    while True:
        try:
            with urllib.request.urlopen(wish, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode(errors="replace")
        except OSError as silent:
            if time.monotonic() > end or (server is not None and server.poll() is not None):
                return 0, str(silent)
            time.sleep(0.1)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Process:
    pid: int
    title: str
    uid: int
    state: str
    pid_in_there: int


def below(pid):
    """Every process below this one."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    for process in parents:
        above = process
        while above in parents and above != pid:
            above = parents[above]
        if above == pid and process != pid:
            try:
                status = dict(re.findall(r"^(\w+):\s*(.*)$", Path(f"/proc/{process}/status").read_text(), re.M))
                title = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            except OSError:
                continue
            yield Process(process, title, int(status["Uid"].split()[0]), status["State"][0],
                          int(status["NSpid"].split()[-1]))
