"""What the measured costs say of a larger machine: the arithmetic; the words around it are docs/BENCHMARKS.md's."""
import math

from report import number

CORES, CONNECTIONS, USERS = 64, 150_000, 10_000
LISTENER_SHARE = 0.7   # of a processor: beyond that its queue, not its work, is what clients wait for
ACTIVE = 0.1           # of the users, so often that their workers stay
BIRTHS_PER_USER = 1 / 300  # a second: each of those that come and go once in five minutes


def _needs(store):
    """Microseconds of the processor, by process and event; None where not all have been measured."""
    costs = {what: store.number(key) for what, key in {
        "listener, new connection": "cost-new", "listener, kept request": "cost-kept", "worker, PHP": "cost-worker-php",
        "worker, static": "cost-worker", "master, birth": "cost-birth"}.items()}
    return costs if all(costs.values()) else None


def _listeners(rate, cost):
    return max(1, math.ceil(rate * cost / 1e6 / LISTENER_SHARE))


def _load(name, cost_listener, cost_worker):
    """One line: the rate at which CORES are full, and what that takes of listeners."""
    rate = CORES * 1e6 / (cost_listener + cost_worker)
    cells = (name, number(cost_listener), number(cost_worker), f"{rate:,.0f}",
             f"{1e6 * LISTENER_SHARE / cost_listener:,.0f}", f"{rate * cost_listener / 1e6:.1f}",
             _listeners(rate, cost_listener))
    return "| " + " | ".join(map(str, cells)) + " |"


def model(store):
    costs = _needs(store)
    if not costs:
        yield "The costs have not been measured yet."
        return
    yield (f"| on {CORES} cores | listener, µs | worker, µs | requests/s when all cores are busy | one listener's most | "
           "processors for listeners | ListenerProcesses |")
    yield "|---|---|---|---|---|---|---|"
    yield _load("static, new connection each", costs["listener, new connection"], costs["worker, static"])
    yield _load("PHP hello, new connection each", costs["listener, new connection"], costs["worker, PHP"])
    yield _load("a PHP page of 10 ms, new connection each", costs["listener, new connection"], 10_000)
    yield _load("PHP hello, kept connections that rest", costs["listener, kept request"], costs["worker, PHP"])
    yield ""
    yield from _held(store)
    yield from _master(store, costs)
    yield from _checked(store)


def _held(store):
    user, kernel = store.number("listener-memory"), store.number("kernel-memory")
    if not user or not kernel:
        return
    together = CONNECTIONS * (user + kernel) / 2**20
    yield (f"* **{CONNECTIONS:,} connections held**: {number(user)} bytes each in the listeners and {number(kernel)} in "
           f"the kernel, {together:,.0f} MiB together; a worker for none of them. Each listener "
           "needs a descriptor for each: `LimitNOFILE` above the connections by a thousand, in all listeners together.")


def _master(store, costs):
    births = USERS * BIRTHS_PER_USER
    share = store.number("worker-memory")
    active = USERS * ACTIVE
    yield (f"* **{USERS:,} users**: if each comes once in five minutes to find no worker, {births:.0f} births a second "
           f"cost the master {births * costs['master, birth'] / 1e4:.1f} % of a processor; at most it gives birth to "
           f"{1e6 / costs['master, birth']:,.0f} a second, as it is one process and a fork copies page tables.")
    if share:
        yield (f"* **{active:,.0f} of them active**: {active:,.0f} idle workers take {active * share / 1024:.1f} GiB; "
               f"`MaxRequestWorkers` above that, or they take turns.")


def _checked(store):
    one, two, share = store.number("cost-new"), store.number("cost-two"), store.number("two-rate", what="ratio")
    if not one or not two or not share:
        return
    yield (f"* **Checked here**, with two listeners on two cores: a new connection costs them {number(two)} µs, "
           f"one alone {number(one)} µs ({two / one - 1:+.0%}: each finds fewer of them waiting at a time); the rate is "
           f"{number(share)} of that with one. So the work is shared out; and as one listener is not what is full on two "
           "cores, a second gains nothing there.")
