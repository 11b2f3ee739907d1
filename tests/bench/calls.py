"""How many system calls a request takes, process by process: strace counts while one client asks. How long they take it
does not tell, as it slows them itself."""
import re
from contextlib import contextmanager

from itk2_testing.tracing import traced

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
    with traced(pids, "-c") as lines:
        yield found
    found.update({call: int(count) for count, call in _LINE.findall("\n".join(lines)) if call != "total"})
