"""What a pool may take: the kernel's own words for it, changes, ends, refusals. What it does to others: tests/attack."""
import os
import re
import signal

import pytest

from itk2_testing import accounts, cgroups, hogs, proc
from itk2_testing.client import Broken, Who, request
from itk2_testing.configuration import Plan, Site
from itk2_testing.waiting import poll
from itk2_testing.waiting_script import RunningRequest

LIMITED = ("PoolMemoryMax 128M", "PoolCPUMax 150", "PoolCPUWeight 300", "PoolProcessesMax 50", "PoolFilesMax 2048")
MEBI = 1 << 20


def worker_of(server, site):
    return Who.of(server.get("/who.php", site)).pid


def weight(number):
    return str(number if cgroups.is_version_2() else number * 1024 // 100)


def files_of(pid):
    found = re.search(r"Max open files +(\d+) +(\d+)", open(f"/proc/{pid}/limits", encoding="ascii").read())
    return found.groups()


def is_in_a_pool(pid, controller):
    return cgroups.directory_of(pid, controller).name.startswith("pool-")


def own_cgroups(server):
    return [path for path in cgroups.all_of_servers() if path.name.startswith(f"itk2-{server.master.pid}-")]


def test_limits_are_the_kernels_and_the_pools_own(servers, kind):
    sites = servers.user_sites(3)
    sites[0].lines, sites[1].lines = LIMITED, ("PoolMemoryMax 0", "PoolProcessesMax 60")
    server = servers.start(kind, sites=sites, lines=("PoolMemoryMax 256M",))
    server.expect("ITK2313: limits of pools: memory processors processes, kept by cgroups of version")
    first, second, third = (worker_of(server, site.name) for site in sites)
    assert cgroups.limit(first, "memory") == str(128 * MEBI)
    assert cgroups.limit(first, "cpu") == "150000" and cgroups.limit(first, "weight") == weight(300)
    assert cgroups.limit(first, "processes") == "50" and files_of(first) == ("2048", "2048")
    assert int(cgroups.limit(second, "memory").replace("max", str(1 << 60))) >= 1 << 60
    assert cgroups.limit(second, "processes") == "60"
    assert cgroups.limit(third, "memory") == str(256 * MEBI) and cgroups.limit(third, "processes") == "max"
    # Where one pool's share is measured, all are.
    assert cgroups.limit(second, "weight") == cgroups.limit(third, "weight") == weight(100)
    assert len({cgroups.directory_of(pid, "memory") for pid in (first, second, third)}) == 3
    for process in [server.master, *server.in_role("listener"), *server.in_role("spare")]:
        assert cgroups.directory_of(process.pid, "memory").name == "server"


def test_a_pool_without_limits_has_no_cgroup_and_a_server_without_limits_makes_none(servers, kind):
    sites = servers.user_sites(2)
    sites[0].lines = ("PoolMemoryMax 128M",)
    server = servers.start(kind, sites=sites)
    assert is_in_a_pool(worker_of(server, "v0.test"), "memory")
    assert not is_in_a_pool(worker_of(server, "v1.test"), "memory")
    plain = servers.start(kind, lines=("PoolFilesMax 1500",))
    pid = worker_of(plain, "v0.test")
    assert files_of(pid) == ("1500", "1500") and not own_cgroups(plain) and "ITK2313" not in plain.log()


def test_one_identitys_virtual_hosts_are_one_pool_and_one_word_is_enough(servers, kind):
    first, other = servers.user_sites(2)
    second = Site("again.test", first.docroot, first.identity, lines=("PoolMemoryMax 128M",))
    server = servers.start(kind, sites=[first, other, second])
    a, b = worker_of(server, "v0.test"), worker_of(server, "again.test")
    assert cgroups.limit(a, "memory") == cgroups.limit(b, "memory") == str(128 * MEBI)
    assert cgroups.directory_of(a, "memory") == cgroups.directory_of(b, "memory")


def test_a_graceful_restart_applies_changed_limits_to_pools_that_run(servers, kind):
    sites = servers.user_sites(2)
    sites[0].lines = ("PoolMemoryMax 128M",)
    server = servers.start(kind, sites=sites)
    running = RunningRequest(server)
    pool = cgroups.directory_of(running.begun(), "memory")
    for lines, memory, processes in ((("PoolMemoryMax 96M", "PoolProcessesMax 40"), str(96 * MEBI), "40"),
                                     (("PoolMemoryMax 160M", "PoolProcessesMax 30"), str(160 * MEBI), "30")):
        sites[0].lines = lines
        server.write_config()
        server.graceful()
        assert (pool / cgroups.FILES["memory"][cgroups.is_version_2()]).read_text().strip() == memory
        pid = worker_of(server, "v0.test")
        assert cgroups.limit(pid, "memory") == memory and cgroups.limit(pid, "processes") == processes
        assert cgroups.directory_of(pid, "memory") == pool
    assert running.finish().status == 200
    sites[0].lines = ()
    server.write_config()
    server.graceful()
    assert not is_in_a_pool(worker_of(server, "v0.test"), "memory")


def test_a_hard_restart_applies_them_too(servers, kind):
    sites = servers.user_sites(1)
    server = servers.start(kind, sites=sites)
    assert not is_in_a_pool(worker_of(server, "v0.test"), "memory")
    sites[0].lines = ("PoolMemoryMax 96M",)
    server.write_config()
    server.hard_restart()
    assert cgroups.limit(worker_of(server, "v0.test"), "memory") == str(96 * MEBI)


def test_a_cold_pool_has_no_cgroup_and_gets_it_again(servers, kind):
    server = servers.start(kind, 1, lines=("PoolMemoryMax 128M",), limits={"WorkerIdleTimeout": 1})
    pool = cgroups.directory_of(worker_of(server, "v0.test"), "memory")
    poll(lambda: not pool.exists(), "the cold pool's cgroup stays")
    assert cgroups.limit(worker_of(server, "v0.test"), "memory") == str(128 * MEBI)


def test_of_a_cold_pool_no_memory_is_kept_out_of_its_count(servers, kind):
    sites = servers.user_sites(2)
    sites[0].lines = ("PoolMemoryMax 128M",)
    server = servers.start(kind, sites=sites, limits={"WorkerIdleTimeout": 1})
    for site, kept in (("v0.test", 0), ("v1.test", 1)):
        assert server.get("/who.php", site).status == 200
        server.await_no_worker()
        poll(lambda: len(server.identities_memory()) == 1 + kept,
             lambda: f"{len(server.identities_memory())} copies, one of them made ahead")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGWINCH])
def test_no_cgroup_is_left_after_a_stop_and_nothing_that_a_pool_has_started(servers, kind, number):
    server = servers.start(kind, lines=LIMITED)
    pid = worker_of(server, "v0.test")
    pool = cgroups.directory_of(pid, "memory")
    survivor = start_survivor(server, pool)
    assert own_cgroups(server)
    server.known.discard(survivor)
    server.remember()
    found, master = own_cgroups(server), server.master
    server.stop(number)
    assert found and not [path for path in found if path.exists()]
    poll(lambda: not survivor.alive(), "what a script has started lives on")
    assert not master.alive()


def start_survivor(server, pool):
    """A process that a script has started and left alone."""
    hogs.install(server.plan.sites[0].docroot, accounts.account(0))
    with server.connect() as connection:
        connection.send(request("/fork.php?count=1", "v0.test", close=True))
        members = poll(lambda: [proc.Process.of(int(pid)) for pid in (pool / "cgroup.procs").read_text().split()
                                if "sleep" in open(f"/proc/{pid}/cmdline", encoding="ascii").read()], "no sleep")
    return members[0]


def test_what_a_killed_master_has_left_is_removed_at_the_next_start(servers, kind):
    first = servers.start(kind, lines=LIMITED)
    worker_of(first, "v0.test")
    left = own_cgroups(first)
    assert left
    first.allow("parent-gone")  # a spare that is just being born
    os.kill(first.master.pid, signal.SIGKILL)
    first.wait_until_gone()
    first.master = None
    assert all(path.exists() for path in left)
    second = servers.start(kind, lines=LIMITED)
    assert not any(path.exists() for path in left) and own_cgroups(second)


def test_a_worker_that_meets_the_pools_limit_of_memory_is_ended_and_one_line_says_why(servers, kind):
    sites = servers.user_sites(2, lines=(hogs.UNLIMITED_PHP,))
    server = servers.start(kind, sites=sites, lines=("PoolMemoryMax 64M",))
    hogs.install(sites[0].docroot, accounts.account(0))
    signs = hogs.signs(server)
    with pytest.raises((Broken, ConnectionResetError)):
        server.get(f"/memory.php?mib=200&sign={signs}/held&go={signs}/go", "v0.test")
    server.expect(r"ITK2311: pool of itk2t000 is at its PoolMemoryMax of 64 MiB: the kernel has ended its worker")
    server.allow("ITK2305: workers of itk2t000")
    assert "ITK2301" not in server.log()
    assert Who.of(server.get("/who.php", "v1.test")).is_account(accounts.account(1))
    assert Who.of(server.get("/who.php", "v0.test")).is_account(accounts.account(0))
    # Killed by somebody else it is no limit.
    os.kill(worker_of(server, "v0.test"), signal.SIGKILL)
    server.expect(r"ITK2301: worker of itk2t000")
    assert server.log().count("ITK2311") == 1


def test_a_script_opens_no_more_descriptors_than_its_pool_allows(servers, kind):
    sites = servers.user_sites(2)
    sites[0].lines = ("PoolFilesMax 1024",)
    server = servers.start(kind, sites=sites)
    hogs.install(sites[0].docroot, accounts.account(0))
    hogs.install(sites[1].docroot, accounts.account(1))
    assert 900 < int(server.get("/files.php", "v0.test").body) < 1024
    assert int(server.get("/files.php", "v1.test").body) > 1024
    assert worker_of(server, "v0.test")


def test_an_identity_that_a_request_finds_has_the_servers_limits(servers, kind):
    site, other = servers.user_sites(2)
    site.identity, site.lines = "", ("AssignUserIDExpr itk2t000", "AssignGroupIDExpr itk2t000")
    server = servers.start(kind, sites=[site, other], lines=("PoolMemoryMax 96M", "PoolFilesMax 1200"), tls=False)
    for _ in range(3):  # out of a parser, then from its pool
        running = RunningRequest(server)  # a worker out of a parser ends with its connection
        pid = running.begun()
        assert cgroups.limit(pid, "memory") == str(96 * MEBI) and files_of(pid) == ("1200", "1200")
        assert running.finish().status == 200


def refusal(servers, kind, sites, lines=(), wrapper=()):
    server = servers.make(Plan(kind, sites, lines=tuple(lines), php=False, tls=False))
    server.wrapper = wrapper
    server.allow(".")
    done = server.try_start()
    said = [line for line in (done.stdout + done.stderr + server.log()).splitlines() if "ITK2" in line or "Pool" in line]
    assert done.returncode != 0 and not server.survivors(), said
    return "\n".join(said)


def test_different_limits_of_one_identity_are_refused_and_both_places_named(servers, kind):
    first, _ = servers.user_sites(2)
    first.lines = ("PoolMemoryMax 128M",)
    second = Site("again.test", first.docroot, first.identity, lines=("PoolMemoryMax 64M",))
    said = refusal(servers, kind, [first, second])
    assert len(said.splitlines()) == 1 and "ITK2831" in said and "PoolMemoryMax" in said
    assert "v0.test" in said and "again.test" in said and len(re.findall(r"httpd\.conf:\d+", said)) >= 2


def test_a_limit_where_each_request_may_be_another_users_is_refused(servers, kind):
    site, _ = servers.user_sites(2)
    site.lines = ("AssignUserIDExpr %{reqenv:WHO}", "PoolMemoryMax 64M")
    assert "ITK2832" in refusal(servers, kind, [site])


@pytest.mark.parametrize("line", ["PoolMemoryMax 15M", "PoolMemoryMax 1025T", "PoolMemoryMax -1", "PoolMemoryMax 64MB",
                                  "PoolMemoryMax much", "PoolCPUMax 0.5", "PoolCPUMax 100001", "PoolCPUMax 50%",
                                  "PoolCPUWeight 0", "PoolCPUWeight 10001", "PoolProcessesMax 1K", "PoolProcessesMax -2",
                                  "PoolFilesMax 1023", "PoolFilesMax 1048577"])
def test_a_value_that_can_not_be_is_refused(servers, kind, line):
    said = refusal(servers, kind, servers.user_sites(1), lines=[line])
    assert line.split()[0] in said and line.split()[1] in said


def test_more_descriptors_than_the_server_may_have_are_refused(servers, kind):
    wrapper = ("sh", "-c", 'ulimit -n 4096; exec "$@"', "sh")
    assert "ITK2833" in refusal(servers, kind, servers.user_sites(1), ["PoolFilesMax 4097"], wrapper)


@pytest.mark.parametrize("change", ["umount -R /sys/fs/cgroup", "mount -o remount,bind,ro"])
def test_where_no_cgroup_can_be_made_it_does_not_start_and_says_so(servers, kind, change):
    if "remount" in change:
        points = sorted({str(point) for point in cgroups.mount_points()})
        change = " && ".join(f"mount --bind {point} {point} && {change} {point}" for point in points)
    wrapper = ("unshare", "-m", "sh", "-c", f'{change} && exec "$@"', "sh")
    said = refusal(servers, kind, servers.user_sites(1), ["PoolMemoryMax 64M"], wrapper)
    assert len(said.splitlines()) == 1 and "ITK2834" in said and "find-cgroup" in said and "Delegate=yes" in said
    without = servers.make(Plan(kind, servers.user_sites(1), tls=False))
    without.wrapper = wrapper
    assert without.start().get("/who.txt").status == 200


def test_a_worker_that_can_not_be_placed_is_not_ordered(servers, kind):
    """The hierarchy goes away under a server that runs: its limited pools get no worker, the others do."""
    sites = servers.user_sites(3)
    sites[0].lines = sites[1].lines = ("PoolMemoryMax 128M",)
    server = servers.make(Plan(kind, sites, lines=("PoolQueueTimeout 3",)))
    server.wrapper = ("unshare", "-m", "--propagation", "private")
    server.start()
    server.allow("ITK2304", "ITK2503", "ITK2315")
    assert worker_of(server, "v0.test")
    inside = ["nsenter", "-t", str(server.master.pid), "-m"]
    point = cgroups.mount_points(*([""] if cgroups.is_version_2() else ["memory"]))[0]
    assert os.spawnvp(os.P_WAIT, inside[0], [*inside, "mount", "-t", "tmpfs", "none", str(point)]) == 0
    assert server.get("/who.php", "v1.test").status == 503
    server.expect(r"ITK2304: worker of itk2t001 not ordered: make-cgroup: ")
    assert worker_of(server, "v2.test")
    assert server.log().count("ITK2304") < 10  # no storm
    assert os.spawnvp(os.P_WAIT, inside[0], [*inside, "umount", str(point)]) == 0
    poll(lambda: server.get("/who.php", "v1.test").status == 200, "never served again")


def test_one_process_says_that_nothing_is_limited(servers, kind):
    server = servers.make(Plan(kind, servers.user_sites(1), lines=("PoolMemoryMax 64M",)))
    server.start(mode="single")
    server.allow("ITK2701", "ITK2703")
    assert server.get("/who.txt").status == 200
    server.expect("ITK2703")
