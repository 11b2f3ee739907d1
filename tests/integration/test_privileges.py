"""Who may do what, as /proc shows it: before any request, under load, and after a graceful restart."""
import os

import pytest

from itk2_testing import accounts, proc
from itk2_testing.client import Who
from itk2_testing.load import Load
from itk2_testing.waiting import poll
from itk2_testing.waiting_script import RunningRequest

SITES = 6


@pytest.fixture(scope="module")
def server(module_servers, kind):
    return module_servers.start(kind, SITES)


@pytest.fixture(params=["before-any-request", "under-load", "after-a-graceful-restart"])
def moment(request, server):
    """The server in each of three situations; workers hold a running request each where there has been any."""
    if request.param == "before-any-request":
        yield server
        return
    if request.param == "after-a-graceful-restart":
        server.graceful()
    with Load(server, clients=4, first_site=1) as load:
        running = RunningRequest(server)
        running.begun()
        yield server
        assert running.finish().status == 200
        assert load.stop().failures == []


def each(server, role, look):
    """look(process) of every process of the role; those that end or become something else meanwhile do not count."""
    found = []
    for process in server.in_role(role):
        try:
            seen = look(process)
            if server.role(process) == role:
                found.append(seen)
        except proc.Vanished:
            pass
    return found


def test_every_process_has_a_role(moment):
    """A fork of the master is one of its children as soon as it says so."""
    def unknown():
        return {server_role for process in moment.processes() if (server_role := safe_role(moment, process))
                not in ("listener", "spare", "scribe", "worker", None)}
    poll(lambda: not unknown(), lambda: f"there stays {unknown()}")


def safe_role(server, process):
    try:
        return server.role(process)
    except proc.Vanished:
        return None


def test_master_alone_is_root(moment):
    assert moment.master.status().uids == (0,) * 4
    statuses = each(moment, "listener", proc.Process.status) + each(moment, "spare",
                                                                    proc.Process.status) + each(moment, "worker",
                                                                                                proc.Process.status)
    assert statuses and all(0 not in status.uids and 0 not in status.gids and 0 not in status.groups
                            for status in statuses)


def test_listener_holds_no_capability_and_is_its_own_program(moment):
    listeners = moment.in_role("listener")
    assert len(listeners) == 1
    for listener in listeners:
        status = listener.status()
        assert status.capability_sets == (0,) * 5
        assert len(set(status.uids)) == 1 and len(set(status.gids)) == 1
        assert set(status.groups) <= {status.gids[0]}
        assert os.path.basename(listener.executable()) == "itk2-listener"
        mapped = listener.maps()
        for foreign in ("apache2", "httpd", "mod_", "libphp", "libssl", "libapr"):
            assert foreign not in mapped, f"the listener has {foreign} in its memory"


def test_spares_hold_setuid_and_setgid_and_nothing_else(moment):
    spares = poll(lambda: each(moment, "spare", proc.Process.status), "no spare")
    for status in spares:
        assert status.capability_sets == (0, proc.SET_IDS, proc.SET_IDS, 0, 0)
        assert len(set(status.uids)) == 1 and len(set(status.gids)) == 1
        assert set(status.groups) <= {status.gids[0]} and status.threads == 1


def test_workers_hold_nothing_and_are_one_identity_in_every_thread(server):
    users = {user.uid: user for user in accounts.accounts(SITES)}
    held = [RunningRequest(server, f"v{number}.test", tls=number % 2 == 1) for number in range(SITES)]
    for number, running in enumerate(held):
        worker = proc.Process.of(running.begun())
        assert server.role(worker) == "worker"
        for thread in worker.thread_ids():
            status = worker.status(thread)
            user = users[status.uids[0]]
            assert user.uid == accounts.account(number).uid
            assert status.uids == (user.uid,) * 4 and status.gids == (user.gid,) * 4
            assert set(status.groups) == set(user.groups)
            assert status.capability_sets == (0,) * 5
            assert status.no_new_privs == 0
        assert user.name in worker.title()
        assert worker.session() == worker.pid, "a worker leads its own session"
    assert {running.finish().status for running in held} == {200}


def test_all_workers_hold_no_capability(moment):
    for status in each(moment, "worker", proc.Process.status):
        if status.uids[0] >= accounts.FIRST_ID:
            assert status.capability_sets == (0,) * 5


def test_accounts_of_listener_and_spares_are_nobody_elses(moment):
    """Distinct from each other, from User and from every identity; of the reserved range without packages' accounts."""
    import pwd
    listener = {status.uids[0] for status in each(moment, "listener", proc.Process.status)}
    spare = {status.uids[0] for status in poll(lambda: each(moment, "spare", proc.Process.status), "no spare")}
    assert len(listener) == len(spare) == 1 and listener != spare
    taken = {entry.pw_uid for entry in pwd.getpwall() if entry.pw_name not in ("itk2-listener", "itk2-spare")}
    assert not (listener | spare) & taken
    names = {entry.pw_name for entry in pwd.getpwall()}
    if not {"itk2-listener", "itk2-spare"} <= names:
        assert all(65000 <= uid <= 65533 for uid in listener | spare)


def test_only_master_and_listener_hold_listening_sockets(moment):
    ports = set(moment.ports.values())
    assert moment.master.listening() == ports and proc.listening(moment.in_role("listener")) == ports
    for role in ("spare", "worker"):
        assert not proc.listening(moment.in_role(role)), f"a {role} listens"


def test_master_holds_no_client_connection(moment):
    for _ in range(5):
        assert not set(moment.ports.values()) & moment.master.connections()


def test_spares_hold_no_client_connection(moment):
    """Of those that are spares before and after the look: one that was ordered meanwhile is a worker."""
    for _ in range(3):
        before = set(moment.in_role("spare"))
        held = {process: process.connections() for process in before if process.alive()}
        still = before & set(moment.in_role("spare"))
        assert not any(set(moment.ports.values()) & held[process] for process in still if process in held)


def test_one_process_serves_one_identity(server):
    """Over some hundred requests no pid ever answers as two uids."""
    seen = {}
    for number in range(200):
        who = Who.of(server.get("/who.php", f"v{number % SITES}.test", tls=number % 3 == 0))
        assert seen.setdefault(who.pid, who.uid) == who.uid


def test_worker_cannot_write_another_sites_log_nor_hold_the_masters(server):
    """Its descriptors: no listening socket, no memory of other processes, no descriptor of the master's channels."""
    running = RunningRequest(server)
    worker = proc.Process.of(running.begun())
    targets = worker.descriptors().values()
    assert not [target for target in targets if "/proc/" in target or target.startswith("/dev/mem")
                or "itk2-listener" in target]
    channels = [target for target in targets if target.startswith(("socket:", "pipe:"))]
    assert len(channels) <= 5, f"more than its channel and its connection: {channels}"
    assert running.finish().status == 200


def test_kernel_short_of_memory_ends_workers_before_master_and_listener(server):
    running = RunningRequest(server)
    worker = proc.Process.of(running.begun())
    scores = [int(open(f"/proc/{process.pid}/oom_score_adj").read())
              for process in (worker, server.master, *server.in_role("listener"), *server.in_role("scribe"))]
    assert min(scores[:1]) > max(scores[1:]) and len(scores) == 4, scores
    assert running.finish().status == 200


def test_accounts_named_by_directives_are_used(servers, kind):
    """Numbers need no entry in passwd."""
    server = servers.start(kind, 1, lines=("ListenerAccount #64111", "SpareAccount #64112"))
    assert {status.uids for status in each(server, "listener", proc.Process.status)} == {(64111,) * 4}
    assert {status.uids for status in each(server, "spare", proc.Process.status)} == {(64112,) * 4}
    assert Who.of(server.get("/who.php")).is_account(accounts.account(0))
