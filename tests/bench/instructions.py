"""How many instructions a request takes of the process that serves it, and in which library: callgrind counts them. Such
a figure is the same again in the next run, and on the next machine with the same packages; what the kernel does, and how
long an instruction waits for memory, is not in it."""
import re
import tempfile
from pathlib import Path

from itk2_testing.configuration import Plan, Site
from itk2_testing.instance import Instance

from contenders import HTTPD_USER, LINES, PROCESSES

FEW, MORE = 100, 400  # requests: what a process does once is not in the difference
HOST = "v0.test"
MODULE = "mod_mpm_itk2.so"
# What it does before it serves depends on what else runs on the machine. Of prefork nothing does, and it has no names.
COUNTED = {"itk2": ("--toggle-collect=itk2::role::run_worker(itk2::wire::LowerEnd)",)}
_NAME = re.compile(r"(c?)ob=\((\d+)\)(?: (.*))?")  # of a library; by its number alone after the first time


def _by_library(counts):
    """{library: instructions}, from callgrind's own format: a line of costs belongs to the last `ob=`. One behind `calls=`
    is what a called function took, which stands in its own lines as well."""
    names, found, library, is_called = {}, {}, "", False
    for line in counts.read_text(errors="replace").splitlines():
        name = _NAME.match(line)
        if name:
            called, number, path = name.groups()
            names.setdefault(number, Path(path or "").name)
            library = library if called else names[number]
        elif line.startswith("calls="):
            is_called = True
        elif line[:1] in "+-*0123456789" and line:
            if not is_called:
                found[library] = found.get(library, 0) + int(line.split()[-1])
            is_called = False
    return found


def _ask(server, row, requests):
    """As one client: over one connection, or over one for each request."""
    if row.new:
        assert all(server.get(row.path, HOST, tls=row.tls).status == 200 for _ in range(requests))
        return
    with server.connect(tls=row.tls, sni=HOST) as connection:
        assert all(connection.get(row.path, HOST).status == 200 for _ in range(requests))


def _server(kind, bench, directory):
    """With one site, and one process (-X) that callgrind watches. itk2's is first the master and then a worker; its listener
    has no part in what is counted."""
    user = bench.users[0]
    identity = f"{user.name} {user.name}" if kind == "itk2" else ""
    plan = Plan(kind, listen=("127.0.0.1:@PORT0@",), sites=[Site(HOST, bench.root / "bench" / user.name, identity)],
                lines=LINES, limits=PROCESSES, user=f"{HTTPD_USER} {HTTPD_USER}")
    server = Instance(plan, directory / "server", bench.tree)
    server.wrapper = ("valgrind", "-q", "--tool=callgrind", "--vgdb=no", "--trace-children=yes",
                      "--trace-children-skip=*itk2-listener*", f"--callgrind-out-file={directory}/%p", *COUNTED.get(kind, ()))
    return server


def _count(kind, row, requests, bench):
    with tempfile.TemporaryDirectory(dir=bench.root) as name:
        directory = Path(name)
        directory.chmod(0o755)
        server = _server(kind, bench, directory)
        try:
            server.start("single")
            counts = directory / str(server.master.pid)
            _ask(server, row, requests)
            counts.chmod(0o666)  # root has made it, and a worker is no longer root when it ends
            server.allow(".*")  # valgrind's
            server.stop()
        finally:
            server.destroy()
        return _by_library(counts)


def a_request(kind, row, bench):
    """{library: instructions of one request}."""
    few, many = (_count(kind, row, requests, bench) for requests in (FEW, FEW + MORE))
    assert few, "nothing is counted: is the module stripped of its names?"
    found = {library: (many[library] - few.get(library, 0)) / MORE for library in many}
    return {library: number for library, number in found.items() if abs(number) >= 1}
