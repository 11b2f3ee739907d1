"""How many system calls a request takes, process by process: strace counts while one client asks. How long they take it
does not tell, as it slows them itself."""
import re
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from itk2_testing.waiting import poll

ROLES = {"prefork": ("child",), "itk2": ("listener", "worker")}
_LINE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", re.M)


def processes_of(server, role):
    """The children of prefork have no name of their own."""
    if role != "child":
        return server.in_role(role)
    return [process for process in server.processes() if process.pid != server.master.pid]


@contextmanager
def counted(pids):
    """A dict that holds {call: how often} once the block is left."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        said, heard = Path(folder, "calls"), Path(folder, "strace")
        strace = subprocess.Popen(["strace", "-c", "-o", said, "-p", ",".join(map(str, pids))],
                                  stderr=heard.open("w"), stdin=subprocess.DEVNULL)
        try:
            poll(lambda: heard.read_text().count("attached") >= len(pids), lambda: f"strace: {heard.read_text()}")
            yield found
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(60)
        found.update({call: int(count) for count, call in _LINE.findall(said.read_text()) if call != "total"})
