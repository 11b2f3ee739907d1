"""Who can write to which log: a site to its own, and to a shared one only by adding lines. No line is lost.

What hostile PHP does to the descriptors it finds works on prefork with mpm-itk in the same test.
"""
import os
import re
import signal

import pytest

from itk2_testing import accounts, proc
from itk2_testing.compiling import Compiler
from itk2_testing.configuration import Plan
from itk2_testing.load import Load
from itk2_testing.private_files import write
from itk2_testing.waiting import poll
from itk2_testing.waiting_script import RunningRequest

LINE = re.compile(r'[\d.:a-f]+ - - \[[^]]+\] "[A-Z]+ [^"]* HTTP/1\.\d" \d{3} \d+')
FFI = ("php_admin_flag ffi.enable on",)

# On every descriptor there may be: empties the file, begins to write at its beginning, writes there.
WIPE_PHP = """<?php
    header("Content-Type: text/plain");
    $c = FFI::cdef("int ftruncate(int, long); int fcntl(int, int, long); long pwrite(int, const char *, unsigned long, long);
                    int fsync(int);");
    for ($fd = 0; $fd < 200; $fd++) {
        $flags = $c->fcntl($fd, 3, 0);
        if ($flags < 0 || ($flags & 3) == 0) continue;
        if ($c->fcntl($fd, 4, $flags & ~02000) != 0) continue;  // F_SETFL without O_APPEND
        if ($c->ftruncate($fd, 0) == 0) { $c->pwrite($fd, "forged", 6, 0); echo $fd, " "; }
        $c->fcntl($fd, 4, $flags);
    }
"""


def own_logs(number):
    return (f"CustomLog @DIR@/own{number}.log common", f"ErrorLog @DIR@/own{number}-error.log")


def with_own_logs(servers):
    sites = servers.user_sites(2)
    for number, site in enumerate(sites):
        site.lines = own_logs(number)
    return sites


@pytest.fixture
def wipe(tree):
    write(tree.docroot(accounts.account(0)) / "wipe.php", WIPE_PHP, accounts.account(0))
    yield "/wipe.php"
    (tree.docroot(accounts.account(0)) / "wipe.php").unlink()


def text(server, name="access.log"):
    return (server.directory / name).read_text()


def lines(server, name="access.log"):
    return text(server, name).splitlines()


def wait_for_lines(server, count, name="access.log"):
    poll(lambda: len(lines(server, name)) >= count, lambda: f"{len(lines(server, name))} lines of {count}")


def is_wiped(server, wipe, name):
    """Whether what stood in the file before is gone after hostile code has run in the first site."""
    poll(lambda: text(server, name), f"{name} stays empty")
    before = text(server, name)[:60]
    answer = server.get(wipe, "v0.test")
    assert answer.status == 200, answer
    return text(server, name)[:60] != before


@pytest.mark.parametrize("log", ["access.log", "own1.log", "own0.log"])
def test_site_can_spoil_its_own_log_only_and_with_mpm_itk_all(servers, kind, wipe, log):
    """The site's own log is the positive control of this server: the code does what it is meant to."""
    for server_kind in ("itk", kind):
        sites = with_own_logs(servers) if log != "access.log" else servers.user_sites(2)
        server = servers.start(server_kind, sites=sites, lines=FFI)
        server.allow(r"ITK2301")
        for site in ("v0.test", "v1.test"):
            assert server.get("/who.txt", site).status == 200
        assert is_wiped(server, wipe, log) == (server_kind == "itk" or log == "own0.log")


def test_shared_log_has_every_line_whole_and_once(servers, kind):
    server = servers.start(kind, 4)
    totals = Load(server, clients=8, requests=3000).run()
    assert totals.failures == []
    wait_for_lines(server, totals.requests)
    found = lines(server)
    assert len(found) == totals.requests
    assert all(LINE.fullmatch(line) for line in found), next(line for line in found if not LINE.fullmatch(line))


def test_stop_loses_no_line(servers, kind):
    server = servers.start(kind, 3)
    totals = Load(server, clients=4, requests=500).run()
    server.stop()
    assert len(lines(server)) == totals.requests


def test_program_that_logs_gets_every_line_and_ends_after_the_workers(servers, kind):
    sink = ('CustomLog "|$/bin/cat >>@DIR@/piped.log" common',)
    server = servers.start(kind, 3, lines=sink)
    totals = Load(server, clients=4, requests=500).run()
    server.stop()
    assert len(lines(server, "piped.log")) == totals.requests


def test_error_lines_of_a_site_go_to_its_log_and_those_of_the_server_to_the_servers(servers, kind):
    sites = with_own_logs(servers)
    sites[1].lines = ()
    server = servers.start(kind, sites=sites)
    server.allow("secret-line")
    for number, name in ((0, "own0-error.log"), (1, "error.log")):
        user = accounts.account(number)
        path = servers.tree.docroot(user) / "says.php"
        write(path, '<?php error_log("secret-line $_GET[x]");', user)
        assert server.get(f"/says.php?x=of-{number}", f"v{number}.test").status == 200
        poll(lambda: f"secret-line of-{number}" in text(server, name), f"no line in {name}")
        path.unlink()
    assert "of-0" not in text(server, "error.log") and "of-1" not in text(server, "own0-error.log")


def writable_files(server, process):
    """The names of the server's files that it has open for writing."""
    found = set()
    for number, target in process.descriptors().items():
        flags = re.search(r"flags:\t(\d+)", open(f"/proc/{process.pid}/fdinfo/{number}").read()).group(1)
        if target.startswith(str(server.directory)) and int(flags, 8) & 3:
            found.add(os.path.basename(target))
    return found


def test_worker_has_no_log_open_but_its_own(servers, kind):
    held = {}
    for server_kind in ("itk", kind):
        server = servers.start(server_kind, sites=with_own_logs(servers))
        running = RunningRequest(server)
        held[server_kind] = writable_files(server, proc.Process.of(running.begun()))
        assert running.finish().status == 200
    assert {"access.log", "error.log", "own1.log", "own1-error.log"} <= held["itk"]
    assert held[kind] == {"own0.log", "own0-error.log"}


def test_parser_has_no_log_open_and_its_worker_writes_to_its_sites(servers, kind):
    sites = with_own_logs(servers)
    sites[0].lines += (f"Alias /inner {sites[1].docroot}", '<Location "/inner">', f"AssignUserID {sites[1].identity}",
                       "</Location>")
    server = servers.start(kind, sites=sites, tls=False)
    parser = poll(lambda: server.in_role("parser"), "no parser")[0]
    assert writable_files(server, parser) == set()
    for path in ("/who.txt", "/inner/who.txt"):
        assert server.get(path, "v0.test").status == 200
    wait_for_lines(server, 2, "own0.log")
    assert [line.split()[6] for line in lines(server, "own0.log")] == ["/who.txt", "/inner/who.txt"]


def test_lines_go_on_after_the_scribe_was_killed(servers, kind):
    server = servers.start(kind, 2)
    server.allow(r"ITK2014", r"ITK2304", r"Broken pipe")
    assert server.get("/who.txt", "v0.test").status == 200
    wait_for_lines(server, 1)
    before = server.resumed()
    os.kill(server.in_role("scribe")[0].pid, signal.SIGKILL)
    server.wait_until_resumed(before + 1)
    for _ in range(20):
        assert server.get("/after.txt", "v0.test").status == 404
    poll(lambda: text(server).count("/after.txt") == 20, lambda: text(server))
    assert len(server.in_role("scribe")) == 1


def test_scribe_is_unprivileged_and_outlives_a_graceful_restart(servers, kind):
    server = servers.start(kind, 2)
    scribe = server.in_role("scribe")[0]
    assert scribe.status().capability_sets == (0,) * 5 and 0 not in scribe.status().uids
    server.graceful()
    assert server.in_role("scribe") == [scribe]
    assert server.get("/who.txt", "v0.test").status == 200
    wait_for_lines(server, 1)


def test_server_of_one_user_needs_no_scribe(servers, kind, tree):
    user = accounts.account(0)
    server = servers.start(kind, 1, user=f"{user.name} {user.name}")
    assert server.get("/who.txt", "v0.test").status == 200
    wait_for_lines(server, 1)
    assert server.in_role("scribe") == []


def test_what_a_module_holds_in_the_master_is_not_a_workers(servers, kind, tree):
    """Sockets, pipes, directories, files open for writing; what is only read stays."""
    compiled = Compiler(tree.root)
    held = {}
    for server_kind in ("itk", kind):
        folder = tree.root / f"held-{server_kind}"
        folder.mkdir(mode=0o700)
        server = servers.make(Plan(server_kind, servers.user_sites(1), load=(compiled("holds"),),
                                   lines=(f"HoldIn {folder}",))).start()
        server.allow("ITK2402")
        running = RunningRequest(server)
        targets = proc.Process.of(running.begun()).descriptors().values()
        sockets = {target for target in targets if target.startswith("socket:")}
        pipes = {target for target in targets if target.startswith("pipe:")}
        masters = set(server.master.descriptors().values())
        held[server_kind] = ([t for t in targets if t.startswith(str(folder))], sockets & masters, pipes & masters)
        assert running.finish().status == 200
    names = {server_kind: {os.path.basename(target) for target in held[server_kind][0]} for server_kind in held}
    assert names["itk"] == {"held-itk", "held.txt", "read.txt"} and held["itk"][1] and held["itk"][2]
    assert names[kind] == {"read.txt"}
    assert held[kind][1] == set() and held[kind][2] == set()
