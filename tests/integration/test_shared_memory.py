"""What modules share among all children is one identity's own: caches, mutexes, lock files."""
import itertools
import os
import re
import signal
import socket
import ssl

import pytest

from itk2_testing import accounts, proc, sites
from itk2_testing.client import request
from itk2_testing.configuration import Plan, Site
from itk2_testing.waiting import poll
from itk2_testing.waiting_script import RunningRequest

CACHES_PHP = """<?php
    header("Content-Type: text/plain");
    if (isset($_GET["store"])) apcu_store("word", $_GET["store"]);
    $scripts = opcache_get_status(true)["scripts"] ?? [];
    $hits = $scripts[__FILE__]["hits"] ?? "none";
    printf("%d %s %s %s\\n", getmypid(), $hits, var_export(apcu_fetch("word"), true), implode(",", array_keys($scripts)));
"""
MODULES = {"modules": ("slotmem_shm", "proxy", "proxy_http", "proxy_balancer", "lbmethod_byrequests"),
           "lines": ("<Proxy balancer://two>\nBalancerMember http://127.0.0.1:1\n</Proxy>",)}


@pytest.fixture(scope="module")
def caches(tree):
    """A page of the first two sites that tells what is in their caches."""
    for user in accounts.accounts(2):
        page = tree.docroot(user) / "caches.php"
        page.write_text(CACHES_PHP)
        page.chmod(0o444)
        os.utime(page, (sites.MTIME, sites.MTIME))  # opcache leaves alone what has just been written
    return "/caches.php"


class Caches:
    def __init__(self, answer):
        assert answer.status == 200, answer
        pid, hits, self.word, scripts = answer.body.decode().split()
        self.pid, self.hits, self.scripts = int(pid), int(hits), scripts.split(",")


def from_two_workers(server, ask):
    """What two workers of the first site answer, one after the other: one is kept busy meanwhile. The first one may still
    be on its way back when the next request comes: that one keeps another worker busy, and the one after it the first."""
    first, running, busy = ask(), [], []
    while first.pid not in busy:
        assert len(running) < 5, f"worker {first.pid} takes no request: {busy}"
        running.append(RunningRequest(server))
        busy.append(running[-1].begun())
    second = ask()
    for one in running:
        one.finish()
    assert second.pid not in busy, "not two workers"
    return first, second


def test_workers_of_one_identity_share_what_php_has_compiled(servers, kind, caches):
    server = servers.start(kind, 2, **MODULES)
    first, second = from_two_workers(server, lambda: Caches(server.get(caches, "v0.test")))
    assert first.hits == 0 and second.hits == 1, "compiled anew"


def test_no_identity_sees_what_php_has_compiled_for_another(servers, kind, caches, tree):
    server = servers.start(kind, 2)
    assert server.get("/who.php", "v0.test").status == 200
    for number in (0, 1):
        found = Caches(server.get(caches, f"v{number}.test"))
        own = str(tree.docroot(accounts.account(number)))
        assert found.scripts and all(script.startswith(own) for script in found.scripts), found.scripts


def test_apcu_is_shared_within_an_identity_and_by_no_two(servers, kind, caches):
    server = servers.start(kind, 2)

    def stored():
        return Caches(server.get(caches, "v0.test"))
    assert Caches(server.get(caches + "?store=secret", "v0.test")).word == "'secret'"
    assert [found.word for found in from_two_workers(server, stored)] == ["'secret'", "'secret'"]
    assert Caches(server.get(caches, "v1.test")).word == "false"


def test_a_tls_session_is_resumed_by_another_worker_of_the_identity(servers, kind):
    server = servers.start(kind, 2)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET  # the state is in the server's cache

    def ask(session=None):
        """The pid that has answered, the session, and whether it was resumed."""
        plain = socket.create_connection(("127.0.0.1", server.ports["https"]), 15)
        with context.wrap_socket(plain, server_hostname="v0.test", session=session) as secure:
            secure.sendall(request("/who.php", "v0.test", close=True))
            answer = b""
            while part := secure.recv(1 << 16):
                answer += part
            return int(answer.split()[-2]), secure.session, secure.session_reused
    pid, session, resumed = ask()
    assert not resumed
    running = RunningRequest(server)
    assert running.begun() == pid
    other, _, resumed = ask(session)
    running.finish()
    assert other != pid and resumed


def shared_memory(process):
    """The inodes this process shares in memory and can write to, or could be made to."""
    return {tuple(line.split()[3:5]) for line in process.maps().splitlines() if re.match(r"\S+ .w.s ", line)}


def serving(server, site, count=1):
    """Workers that serve this site."""
    running = [RunningRequest(server, site) for _ in range(count)]
    pids = [one.begun() for one in running]
    for one in running:
        one.finish()
    return [proc.Process.of(pid) for pid in pids]


def test_no_memory_that_can_be_written_is_common_to_two_identities(servers, kind):
    server = servers.start(kind, 2, **MODULES)
    (one, fellow), (other,) = serving(server, "v0.test", 2), serving(server, "v1.test")
    own = {process: shared_memory(process) for process in (one, fellow, other, server.master)}
    assert len(own[server.master]) > 5, "the control: there is memory of many modules"
    assert own[one] & own[fellow], "the control: an identity's workers share"
    for process, another in itertools.combinations((one, other, server.master), 2):
        assert not own[process] & own[another]
    for spare in poll(lambda: server.in_role("spare"), "no spare"):
        assert shared_memory(spare) == set()


def test_a_lock_file_is_one_identitys_own(servers, kind):
    server = servers.start(kind, 2)
    (one, fellow), (other,) = serving(server, "v0.test", 2), serving(server, "v1.test")

    def lock_file(process):
        (number,) = [number for number, target in server.master.descriptors().items() if "ZendSem" in target]
        found = os.stat(f"/proc/{process.pid}/fd/{number}")
        return found.st_dev, found.st_ino
    assert lock_file(one) == lock_file(fellow)
    assert len({lock_file(process) for process in (one, other, server.master)}) == 3


def test_a_parser_has_memory_of_its_own(servers, kind, tree, caches):
    """And is in nobody's way with it: what it began there would be wrong in its identity's."""
    user = accounts.account(0)
    undecided = Site("undecided.test", tree.docroot(user), "", (f"<Location />\nAssignUserID {user.name} {user.name}\n"
                                                                 "</Location>",))
    server = servers.start(kind, sites=[*servers.user_sites(2), undecided], limits={"MinSpareServers": 8})
    parsers = poll(lambda: (found := server.in_role("parser")) and len(found) > 1 and found, "no two parsers")
    for parser, another in itertools.pairwise(parsers):
        assert not shared_memory(parser) & shared_memory(another)
    for _ in range(3):
        assert Caches(server.get(caches, "undecided.test", tls=True)).hits == 0
        assert server.get(caches, "v0.test", tls=True).status == 200
    assert Caches(server.get(caches, "v0.test")).hits == 3


def memory_files(process):
    return sorted(target for target in process.descriptors().values() if "memfd" in target)


@pytest.mark.parametrize("lines, kept", [((), 2), (("KeptMemoryMax 0",), 0)])
def test_20_graceful_restarts_leave_no_memory_behind(servers, kind, lines, kept):
    """But for what is made ahead for the next identity, and what is kept for those that have been served."""
    server = servers.start(kind, 2, lines=lines, limits={"WorkerIdleTimeout": 1})
    server.graceful()

    def settled():
        """Looked at until it is whole: what is made ahead has a memory first, and then a lock file."""
        def of_the_idle():
            files = memory_files(server.master)
            counts = {what: sum(f"itk2 {what}" in name for name in files) for what in ("segments", "lock", "pristine")}
            return counts == {"segments": 1 + kept, "lock": 1 + kept, "pristine": 1} and files
        files = poll(lambda: not server.in_role("worker") and of_the_idle(), "workers or their memory stay")
        return files, len(server.master.descriptors())
    for site in ("v0.test", "v1.test"):
        assert server.get("/who.php", site).status == 200
    poll(lambda: len(server.identities_memory()) == 3, "the control")
    memory, descriptors = settled()
    for number in range(20):
        for site in ("v0.test", "v1.test"):
            assert server.get("/who.php", site).status == 200
        server.graceful()
    for site in ("v0.test", "v1.test"):
        assert server.get("/who.php", site).status == 200
    assert settled()[0] == memory
    poll(lambda: len(server.master.descriptors()) <= descriptors, "descriptors stay open")


def test_what_an_identity_has_cached_ends_with_its_generation(servers, kind, caches):
    server = servers.start(kind, 1)
    for _ in range(2):
        assert Caches(server.get(caches, "v0.test")).hits == 0
        assert Caches(server.get(caches, "v0.test")).hits == 1
        server.graceful()


def test_what_an_identity_has_cached_outlives_its_workers(servers, kind, caches):
    """And is nobody else's."""
    server = servers.start(kind, 2, limits={"WorkerIdleTimeout": 1})
    first = Caches(server.get(caches + "?store=kept", "v0.test"))
    assert first.hits == 0
    server.await_no_worker()
    assert Caches(server.get(caches, "v1.test")).word == "false"
    second = Caches(server.get(caches, "v0.test"))
    assert second.pid != first.pid and second.hits == 1 and second.word == "'kept'"
    assert [found.word for found in from_two_workers(server, lambda: Caches(server.get(caches, "v0.test")))] == \
        ["'kept'"] * 2, "a second worker has it, too"


def test_an_evicted_workers_cache_is_there_for_the_next_one(servers, kind, caches):
    server = servers.start(kind, 2, limits={"MaxRequestWorkers": 1, "MinSpareServers": 1, "MaxSpareServers": 2})
    pids = set()
    for hits in range(3):
        found = [Caches(server.get(caches, site)) for site in ("v0.test", "v1.test")]
        assert [one.hits for one in found] == [hits, hits]
        pids |= {one.pid for one in found}
    assert len(pids) == 6, "the control: a worker each time"


def test_what_was_kept_is_dropped_in_the_order_of_its_last_use(servers, kind, tree, caches):
    """Room for two identities and not for three: how much each takes is asked of the kernel first."""
    users = accounts.accounts(3)
    page = tree.docroot(users[2]) / "caches.php"
    page.write_text(CACHES_PHP)
    page.chmod(0o444)
    os.utime(page, (sites.MTIME, sites.MTIME))
    measured = servers.start(kind, 1)
    assert Caches(measured.get(caches, "v0.test")).hits == 0
    bytes_each = max(os.stat(f"/proc/{measured.master.pid}/fd/{number}").st_blocks * 512
                     for number in measured.identities_memory())
    measured.stop()

    server = servers.start(kind, 3, limits={"WorkerIdleTimeout": 1},
                           lines=(f"KeptMemoryMax {bytes_each * 5 // 2}", "LogLevel mpm_itk2:debug"))
    for number in (0, 1, 2):
        assert Caches(server.get(caches, f"v{number}.test")).hits == 0
        server.await_no_worker()
    server.expect(f"ITK2026: the shared memory of {users[0].name}, ")
    assert [Caches(server.get(caches, f"v{number}.test")).hits for number in (1, 2, 0)] == [1, 1, 0]
    server.allow("mpm_itk2:(debug|info)")


def test_nothing_is_kept_of_who_was_killed(servers, kind, caches):
    """It may have been in the middle of something."""
    server = servers.start(kind, 1)
    assert Caches(server.get(caches, "v0.test")).hits == 0
    (worker,) = server.in_role("worker")
    os.kill(worker.pid, signal.SIGKILL)
    server.await_no_worker()
    assert Caches(server.get(caches, "v0.test")).hits == 0
    server.allow("ITK2301")


def test_of_who_was_told_to_end_all_is_kept_but_in_the_middle_of_a_request(servers, kind, caches):
    server = servers.start(kind, 1)
    assert Caches(server.get(caches, "v0.test")).hits == 0
    (worker,) = server.in_role("worker")
    os.kill(worker.pid, signal.SIGTERM)
    server.await_no_worker()
    assert Caches(server.get(caches, "v0.test")).hits == 1
    running = RunningRequest(server)
    os.kill(running.begun(), signal.SIGTERM)
    server.await_no_worker()
    running.close()
    assert Caches(server.get(caches, "v0.test")).hits == 0


def test_what_is_kept_is_not_lost_with_those_who_had_something_else(servers, kind, caches, tree):
    """One that came out of a parser, and one of the last generation: both had memory of their own."""
    user = accounts.account(0)
    undecided = Site("undecided.test", tree.docroot(user), "", (f"<Location />\nAssignUserID {user.name} {user.name}\n"
                                                                 "</Location>",))
    server = servers.start(kind, sites=[*servers.user_sites(1), undecided], limits={"WorkerIdleTimeout": 1})
    old = RunningRequest(server)
    old_worker = old.begun()
    server.graceful()
    assert Caches(server.get(caches, "v0.test")).hits == 0
    poll(lambda: [worker.pid for worker in server.in_role("worker")] == [old_worker], "the new worker stays")
    assert Caches(server.get(caches, "undecided.test", tls=True)).hits == 0, "the control: a memory of its own"
    parsed = RunningRequest(server, "undecided.test", tls=True)
    for pid in (parsed.begun(), old_worker):
        os.kill(pid, signal.SIGKILL)
    server.await_no_worker()
    parsed.close()
    old.close()
    assert Caches(server.get(caches, "v0.test")).hits == 1
    server.allow("ITK2301")


def test_nothing_is_kept_where_nothing_may_be(servers, kind, caches):
    server = servers.start(kind, 1, lines=("KeptMemoryMax 0",), limits={"WorkerIdleTimeout": 1})
    assert Caches(server.get(caches, "v0.test")).hits == 0
    server.await_no_worker()
    assert Caches(server.get(caches, "v0.test")).hits == 0


@pytest.mark.parametrize("value", ["much", "-1", "1.5G", "1025T", "64MB"])
def test_a_kept_memory_max_that_is_no_size_does_not_start(servers, kind, value):
    server = servers.make(Plan(kind, servers.user_sites(1), lines=(f"KeptMemoryMax {value}",)))
    done = server.try_start()
    assert done.returncode != 0 and f'KeptMemoryMax: "{value}" is not a size' in done.stderr, done
    server.allow(".")


def test_an_administrator_can_leave_a_modules_memory_shared(servers, kind, caches):
    server = servers.start(kind, 2, lines=("ShareMemoryOf mod_php.c",))
    server.expect(r"ITK2022: .*mod_php\.c")
    assert "mod_php.c" not in re.search(r"ITK2021: (.*)", server.log()).group(1)
    assert Caches(server.get(caches + "?store=common", "v0.test")).word == "'common'"
    found = Caches(server.get(caches, "v1.test"))
    assert found.word == "'common'" and len(found.scripts) == 2
    server.graceful()
    assert server.get(caches, "v1.test").status == 200


def test_the_start_says_what_each_identitys_memory_takes(servers, kind):
    """Most of it is opcache's table of interned strings, which the administrator may make smaller."""
    def start(strings):
        server = servers.make(Plan(kind, servers.user_sites(1), limits={"WorkerIdleTimeout": 1}))
        settings = server.directory / "php"
        settings.mkdir()
        (settings / "strings.ini").write_text(f"opcache.interned_strings_buffer={strings}\n")
        server.further_environment = {"PHP_INI_SCAN_DIR": f":{settings}"}
        server.start()
        return server, int(re.search(r"ITK2021: .* own, (\d+) KiB to begin with: ", server.log()).group(1))
    _, less = start(1)
    server, said = start(8)
    assert less < said / 2, (less, said)
    assert server.get("/who.php", "v0.test").status == 200
    # Looked at from outside: the master's file of the identity, when its worker has ended.
    server.await_no_worker()

    def kept():
        sizes = [os.stat(f"/proc/{server.master.pid}/fd/{number}").st_blocks // 2
                 for number, target in server.master.descriptors().items() if "memfd:itk2 segments" in target]
        return [size for size in sizes if size > said]
    poll(lambda: kept() and max(kept()) < said + 1024, lambda: f"{said} KiB were said, and there are {kept()}")


def test_a_mutex_from_the_first_reading_of_the_configuration_is_its_modules_still(servers, kind):
    """mod_ssl makes its cache anew at every reading, the mutex before it once."""
    server = servers.start(kind, 2, lines=("ShareMemoryOf mod_ssl.c", "Mutex pthread ssl-cache"))
    server.expect(r"ITK2022: .*mod_ssl\.c")
    for _ in range(2):
        apart = re.findall(r"ITK2021: (.*)", server.log())[-1]
        assert "mod_ssl.c" not in apart, apart
        for site in ("v0.test", "v1.test"):
            assert server.get("/who.php", site, tls=True).status == 200
        first, second = (set.union(*(shared_memory(worker) for worker in server.in_role("worker")
                                     if worker.status().uids[0] == accounts.account(number).uid)) for number in (0, 1))
        assert len(first & second) >= 2, "the cache and its mutex"
        server.graceful()


def test_memory_of_a_module_there_is_not_cannot_be_shared(servers, kind):
    server = servers.make(Plan(kind, servers.user_sites(1), lines=("ShareMemoryOf mod_phb.c",)))
    done = server.try_start()
    assert done.returncode != 0 and "ITK2822" in done.stderr and "mod_phb.c" in done.stderr, done
    server.allow(".")


def test_one_site_without_a_user_of_its_own_has_memory_of_its_own(servers, kind, tree):
    """As prefork's: the master reads nothing that a worker can write, here too."""
    server = servers.start(kind, sites=[Site("shared.test", tree.shared)])
    assert server.get("/facts.php", "shared.test").status == 200
    for worker in server.in_role("worker"):
        assert shared_memory(worker) and not shared_memory(worker) & shared_memory(server.master)
