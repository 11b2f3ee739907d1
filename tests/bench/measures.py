"""How each kind of row is measured. measure(bench, contender, row, seconds) gives one round's Sample, or None where this
contender has no such figure. What is compared to prefork's of the round has no base yet."""
import time
from contextlib import ExitStack
from dataclasses import replace
from statistics import median

from itk2_testing.crowd import Crowd
from itk2_testing.waiting import poll

import calls
import held as holding
import instructions
import processes
import wrk
from asking import SlowReaders, ask_each, ask_steadily
from rows import ALL
from stands import started
from store import Sample

SLOW_READERS = 200
A_SECOND = 50        # requests, where it is not how many there can be
TURNS_MEASURED = 250 # of the identities in turn: whose workers have ended by then
SETTLE = 0.5         # seconds until processes that end have ended


def warm_up(contender, row):
    """So that the first round does not pay for processes that every server needs to have; prefork takes its time."""
    if row.measure in ("rate", "found", "held", "slow_readers", "configured"):
        wrk.run(contender.server, row, 1 if row.clients < 32 else 2 if row.clients < 400 else 4)
    if row.measure == "configured":
        wrk.run(contender.few.server, row, 1)


def percentile(found):
    return sorted(found)[len(found) * 99 // 100]


def hosts(count):
    return [f"v{number}.test" for number in range(count)]


def not_answered(failures):
    return {"not answered": failures} if failures else {}


def rate(_, contender, row, seconds):
    run = wrk.run(contender.server, row, seconds)
    return Sample(run.rate, p99=run.p99 or None, errors=run.errors)


def found(_, contender, row, seconds):
    named = wrk.run(contender.server, replace(row, found=False), seconds)
    run = wrk.run(contender.server, row, seconds)
    return Sample(run.rate, named.rate, run.p99, named.p99, run.errors)


def held(_, contender, row, seconds):
    alone, among, lost = holding.measure(contender, row, seconds)
    return Sample(among.rate, alone.rate, among.p99 or None, alone.p99,
                  among.errors | ({"of the held connections lost": lost} if lost else {}))


def slow_readers(_, contender, row, seconds):
    alone = wrk.run(contender.server, row, seconds)
    with SlowReaders(contender.server, "/10m.bin", "v0.test", SLOW_READERS) as readers:
        among = wrk.run(contender.server, row, seconds)
    problems = among.errors | ({} if readers.gathered else {"slow readers without a first byte": 1})
    return Sample(among.rate, alone.rate, among.p99 or None, alone.p99, problems)


def _make_cold(contender):
    """After a graceful restart no site has a worker, and nobody an old one."""
    if contender.fpm:
        contender.fpm.stop()
        contender.fpm.start()
    contender.server.graceful()
    if contender.kind != "itk2":
        time.sleep(SETTLE)
        return
    poll(lambda: not contender.server.in_role("worker"), "workers of the last generation stay")
    poll(lambda: len(contender.server.in_role("spare")) >= contender.server.plan.limits["MinSpareServers"],
         "there are no spares")


def cold_first(_, contender, row, __):
    _make_cold(contender)
    cold, failures = [], 0
    for host in hosts(row.sites):
        first, _, failed = ask_each(contender.server, row.path, [host])
        cold += first
        failures += failed
    warm, _, failed = ask_each(contender.server, row.path, hosts(row.sites))
    problems = not_answered(failures + failed)
    if not cold or not warm:
        return Sample(0, errors=problems)
    return Sample(median(cold) - median(warm), p99=percentile(cold), errors=problems)


def copies_birth(bench, contender, row, *others):
    """The same where PHP's memory is not copied, taken away."""
    own = cold_first(bench, contender, row, *others)
    with started(bench.second(("ShareMemoryOf mod_php.c",))) as shared:
        common = cold_first(bench, shared, row, *others)
    return Sample(own.value - common.value, errors=own.errors | common.errors)


def cold_rate(_, contender, row, __):
    _make_cold(contender)
    cold, seconds, failures = ask_each(contender.server, row.path, hosts(row.sites), row.clients)
    return Sample(len(cold) / seconds, p99=percentile(cold) if cold else None,
                  errors=not_answered(failures))


def comes_back(bench, contender, row, __):
    """Asked again after the processes that were its user's have ended. mpm-itk's end with each connection."""
    if not bench.lay_out_wordpress(row.sites):
        return None
    lines = ("WorkerIdleTimeout 1",) if contender.kind == "itk2" else ()
    with started(bench.second(lines, contender.kind)) as server:
        def ask():
            found, _, failed = ask_each(server.server, row.path, hosts(row.sites))
            return found, failed
        _, failed_first = ask()
        warm, failed_warm = ask()
        if contender.kind == "itk2":
            server.server.await_no_worker()
        elif server.fpm:
            poll(lambda: len(processes.below([server.fpm.process.pid])) == 1, "processes of php-fpm stay")
        back, failed = ask()
    problems = not_answered(failed_first + failed_warm + failed)
    if not warm or not back:
        return Sample(0, errors=problems)
    return Sample(median(back) - median(warm), p99=percentile(back), errors=problems)


# -- thousands of virtual hosts --------------------------------------------------------------------------------


def start(_, contender, __, ___):
    """The first was the stand's own; every further round stops and starts."""
    if getattr(contender, "has_told_start", False):
        contender.server.stop()
        contender.start()
    contender.has_told_start = True
    return Sample(contender.starts[-1])


def restart(_, contender, __, ___):
    begin = time.monotonic()
    contender.server.graceful()
    contender.server.get("/1k.html", "v0.test")
    return Sample(time.monotonic() - begin)


def configured(_, contender, row, seconds):
    few = wrk.run(contender.few.server, row, seconds)
    many = wrk.run(contender.server, row, seconds)
    return Sample(many.rate, few.rate, many.p99, few.p99, many.errors)


def turns(_, contender, row, __):
    """All once, so that every place is taken by the last of them; then the first ones, at a pace that leaves room."""
    def ask(sites):
        return ask_steadily(contender.server, row.path, hosts(sites), A_SECOND)
    ask_each(contender.server, row.path, hosts(ALL), row.clients)
    warm, _ = ask(ALL)
    _, _, before = ask_each(contender.server, row.path, hosts(row.sites), row.clients)
    found, failures = ask(TURNS_MEASURED)
    problems = not_answered(before + failures)
    if not warm or not found:
        return Sample(0, errors=problems)
    return Sample(median(found), median(warm), percentile(found), percentile(warm), problems)


# -- memory ----------------------------------------------------------------------------------------------------


def _while_held(contender, row, read):
    """What read() gives before, and while row.crowd connections are held idle."""
    contender.server.get("/1k.html")
    before = read()
    with Crowd(contender.server, row.crowd, False, path="/1k.html") as crowd:
        crowd.gather()
        return before, read()


def listener_memory(_, contender, row, __):
    # Memory of connections is kept for the next ones: what is measured needs a listener that has had none.
    contender.server.stop()
    contender.start()
    (listener,) = contender.server.in_role("listener")
    before, after = _while_held(contender, row, lambda: processes.private_kib(listener))
    return Sample((after - before) * 1024 / row.crowd)


def kernel_memory(_, contender, row, __):
    """Both ends are on this machine."""
    before, after = _while_held(contender, row, processes.slab_bytes)
    return Sample((after - before) / row.crowd / 2)


def _active(contender, row, read):
    with started(contender):
        ask_each(contender.server, row.path, hosts(row.sites), row.clients)
        ask_each(contender.server, row.path, hosts(row.sites), row.clients)
        time.sleep(SETTLE)
        return read()


def worker_memory(_, contender, row, __):
    def read():
        masters = {contender.server.master.pid} | ({contender.fpm.process.pid} if contender.fpm else set())
        mine = [process for process in processes.of(contender) if process.pid not in masters]
        if contender.kind == "itk2":
            mine = contender.server.in_role("worker")
        elif contender.kind == "event":
            mine = [process for process in processes.below([contender.fpm.process.pid]) if process.pid not in masters]
        shares = [share for share in map(lambda process: processes.rollup(process, "Pss"), mine) if share]
        return median(shares) / 1024 if shares else None
    share = _active(contender, row, read)
    return None if share is None else Sample(share)


def sites_memory(_, contender, row, __):
    parts = _active(contender, row, lambda: processes.shares_by_use(processes.of(contender)))
    return Sample(sum(parts.values()), parts=parts)


def _share_of_all(contender):
    return sum(processes.rollup(process, "Pss") or 0 for process in processes.of(contender)) / 1024


def wordpress_memory(bench, contender, row, __):
    """What each further site adds that has compiled WordPress, over one that has. None: there is no such package."""
    if not bench.lay_out_wordpress(row.sites):
        return None
    with started(contender):
        def compile_in(sites):
            for host in sites:
                assert int(contender.server.get("/wordpress.php", host).body) > 100, "scripts in the cache"
            time.sleep(SETTLE)
            return _share_of_all(contender)
        first, *others = hosts(row.sites)
        before = compile_in([first])
        return Sample((compile_in(others) - before) / len(others))


# -- what the processes of itk2 cost ---------------------------------------------------------------------------


def _cost(server, roles, row, seconds):
    """Microseconds of the processor per request that processes of these roles take."""
    wrk.run(server, row, 1)
    mine = [process for role in roles for process in server.in_role(role)]
    before = processes.processor_us(mine)
    run = wrk.run(server, row, seconds)
    return Sample((processes.processor_us(mine) - before) / (run.rate * seconds), errors=run.errors)


def cost_of_new(_, contender, row, seconds):
    return _cost(contender.server, ["listener"], row, seconds)


def cost_of_kept(_, contender, row, seconds):
    return _cost(contender.server, ["listener"], row, seconds)


def cost_of_worker(_, contender, row, seconds):
    return _cost(contender.server, ["worker"], row, seconds)


def cost_of_birth(_, contender, row, __):
    _make_cold(contender)
    time.sleep(4 * SETTLE)  # its memory is in large pages by then (ADR 13)
    master = [contender.server.master]
    before = processes.processor_us(master)
    answered, _, failures = ask_each(contender.server, row.path, hosts(row.sites), row.clients)
    return Sample((processes.processor_us(master) - before) / max(len(answered), 1),
                  errors=not_answered(failures))


def calls_a_request(_, contender, row, seconds):
    """Of processes that are warm, and there before: more of them than the one client keeps busy."""
    wrk.run(contender.server, replace(row, clients=8), 1)
    parts = {}
    with ExitStack() as counting:
        counts = {role: counting.enter_context(calls.counted(
            [process.pid for process in calls.processes_of(contender.server, role)]))
            for role in calls.ROLES[contender.kind]}
        run = wrk.run(contender.server, row, seconds)
    for role, count in counts.items():
        parts[role] = {call: times / max(run.requests, 1) for call, times in count.items()}
    return Sample(sum(sum(count.values()) for count in parts.values()), errors=run.errors, parts=parts)


def instructions_a_request(bench, contender, row, _):
    parts = instructions.a_request(contender.kind, row, bench)
    return Sample(sum(parts.values()), parts=parts)


def rotation(bench, _, row, seconds):
    """How much of the cost of 100 sites is that of 100 processes, whoever they are. Each has those it was started with."""
    def run_with(children):
        lines = (f"StartServers {children}", f"MinSpareServers {children}", f"MaxSpareServers {children + 10}")
        with started(bench.second(lines, "prefork")) as server:
            return wrk.run(server.server, row, seconds)
    few, many = run_with(10), run_with(100)
    return Sample(many.rate, few.rate, many.p99, few.p99, many.errors)


def cost_of_two(bench, _, row, seconds):
    with started(bench.second(("ListenerProcesses 2",))) as two:
        return _cost(two.server, ["listener"], row, seconds)


def rate_of_two(bench, contender, row, seconds):
    with started(bench.second(("ListenerProcesses 2",))) as two:
        wrk.run(two.server, row, 1)
        one = wrk.run(contender.server, row, seconds)
        run = wrk.run(two.server, row, seconds)
        return Sample(run.rate, one.rate, run.p99, one.p99, run.errors)
