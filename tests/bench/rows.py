"""What is measured, on which stand, how, and what is promised of it. One line of the table is one Row."""
from dataclasses import dataclass, field

STATIC, PHP = "/1k.html", "/hello.php"
FEW, ALL, TURNS, MOST = 1, 100, 1000, 10_000  # sites in play; MOST are also configured on the stand of thousands
STAND_HUNDRED, STAND_THOUSANDS, STAND_ALONE = "hundred", "thousands", "alone"

OF_PREFORK, TIMES_PREFORKS = "share of prefork's rate", "times prefork's"  # of the same round
OF_ITSELF = "share of its own rate without them"
OF_FEW = "share of its own rate with 100 configured"
OF_NAMED = "share of its own rate over vhosts that name their users"


@dataclass(frozen=True)
class Limit:
    """A promise: of the ratio, the p99's ratio, or the value itself."""
    what: str        # "ratio", "p99 ratio", "value"
    least: float = None
    most: float = None

    def holds(self, number):
        return number is not None and (self.least is None or number >= self.least) and \
            (self.most is None or number <= self.most)

    def words(self, unit):
        names = {"ratio": "", "p99 ratio": "p99 ", "value": ""}
        bound = f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"
        return names[self.what] + bound + (f" {unit}" if self.what == "value" and unit else "×" if self.most else "")


@dataclass(frozen=True)
class Row:
    key: str
    name: str
    measure: str                     # a function of measures.py
    stand: str = STAND_HUNDRED
    compared: str = ""               # what the ratio is; empty: the value itself counts
    unit: str = ""
    limits: tuple = ()
    path: str = STATIC
    sites: int = FEW
    clients: int = 8
    new: bool = False                # a new connection for each request
    tls: bool = False
    found: bool = False              # one virtual host, where an expression finds each request's user
    held: str = ""                   # "idle" or "stalled"
    crowd: int = 0                   # how many further connections do that
    plot: tuple = ()                 # (which plot, place on its x axis)
    once: bool = False               # one round tells it
    kinds: tuple = ()                # the contenders it is about; empty: all
    why_not: dict = field(default_factory=dict, hash=False, compare=False)  # {kind: why it has no figure}
    missed: str = ""                 # what there is to say where itk2 misses its limits

    @property
    def is_beside_prefork(self):
        return self.compared in (OF_PREFORK, TIMES_PREFORKS)


AT_LEAST_PREFORK = (Limit("ratio", least=1.0),)
HELD = (Limit("ratio", least=0.95), Limit("p99 ratio", most=2.0))


def rate(key, name, limits=AT_LEAST_PREFORK, **settings):
    return Row(key, name, "rate", compared=OF_PREFORK, limits=limits, **settings)


# A process for each connection held: more than 1,000 of them say nothing more, and take half a minute each.
FULL_BEFORE = {kind: "serves nobody with 1,000 held already" for kind in ("prefork", "itk")}


def held(what, crowd, limits=(), **settings):
    doing = {"idle": "idle keep-alive", "stalled": "stalled in the head"}[what]
    return Row(f"held-{what}-{crowd}", f"{crowd:,} {doing}, others ask", "held", compared=OF_ITSELF, limits=limits,
               new=True, held=what, crowd=crowd, plot=("idle", crowd) if what == "idle" else (), **settings)


NO_BIRTHS = {"prefork": "its processes serve every site"}
NO_POOLS = {"event": "php-fpm with thousands of pools is not stood up"}
ONLY_ITS_OWN = {kind: "a figure of mpm-itk2's own processes" for kind in ("prefork", "itk", "event")}
# Why a promise may be missed; said where it is. What can be counted is, in the tables of CALLS, EVIDENCE and COSTS.
LISTENER_IN_THE_WAY = (
    "Each new connection is accepted by one process and served by another. The two make some ten calls more than "
    "prefork's child (system calls, below), and the listener's own work (costs, below) is on top of the worker's, which "
    "takes less than prefork's child does. With a processor of its own for the listener it is not in a request's way.")
MORE_PROCESSES = (
    " What 100 sites add is not more work: the calls of a request are those with one site. It is 100 processes that "
    "share the caches of two processors, where prefork has ten: prefork itself, with 100 children that take turns, has "
    "the share of its own rate that the table of evidence says. That is the limit for servers whose sites are processes "
    "of their own.")
HANDSHAKE = ("The handshake's own cost is prefork's, some 350 µs of the server's side and 300 of the client's, which are on "
             "the same two processors; what is on top is the way through the listener, 29 µs in a profile of both (`perf "
             "record -e cpu-clock`).")
OWN_CODE = (" The kernel is asked as often as by prefork; what is on top is the module's own code, which looks at each head and "
            "decides whose the request is: 1 to 2 % of the instructions (counted, below), and a little more of them in httpd, "
            "which is called anew for each request where prefork's child stays in a loop.")
PARKED = ("A kept TLS connection stays in its worker, which makes no call more than prefork's child (system calls, below)." +
          OWN_CODE)
A_LOOK = ("A kept connection stays with its worker for KeepAliveWait; the listener has no part in it. For PHP the worker "
          "makes no more calls than prefork's child: one to look at the next head before it is read, and none to look for a "
          "pipelined one (system calls, below; ADR 3, 16)." + OWN_CODE)
IN_TURN = ("prefork serves as many of these clients as it has forked children until then (65 after six seconds), and lets the "
           "others time out; here each of the 1,000 is served in turn (ADR 14, 16).")
CHILD_INIT = "A spare that becomes a worker runs every module's child_init: most of the time is PHP's own start."
FORKS = ("A first request takes 3.5 ms of the processors, of which there are two here: a quarter of it is the fork of the "
         "master, another the copy of what modules share (ADR 8), a fifth page faults of the new process.")
ROUTES = ("To find one of 10,000 virtual hosts is a look into a table (`plan/route_table`); what differs between two rounds of "
          "one and the same server is more than what is missed.")
NEW_GENERATION = ("Beyond reading the configuration, which is prefork's time too, 10,000 users, the route table and a listener "
                  "that takes the sockets over are some 0.08 s together.")
NONE_WARM = ("Asked in turn, no identity ever finds its worker alive: each request ends a process of another one and takes "
             "a new one, that is a fork of a master with ten thousand virtual hosts, PHP's start and a process's end. "
             "Where the kernel samples what memory is in use (DAMON, every half second on the machine of these figures) it "
             "holds, page by page, the lock that a fork of pages shared by 400 processes needs: forks that took 2 ms under "
             "strace took up to 22 then, and those are the slowest requests.")
A_PROCESS_EACH = (
    "Every site has a process of its own, and that is the promise. The table below says what the memory is for. What each "
    "process has written to of its own (heap, libraries' data, stack) is as much for each of prefork's ten children, and "
    "above the target for 100 of them even if they shared all else. What modules share among processes (opcache, APCu) "
    "each identity has a copy of its own of (ADR 8), 2.3 MiB with Debian's PHP, of which PSS counts what its workers have "
    "touched: the greatest part of opcache's is its table of interned strings: with an "
    "`opcache.interned_strings_buffer` of 1 it is 118 MiB, with 0 it is 84, less than php-fpm's pools take, which share one "
    "cache. One cache for all sites is what one could read and poison "
    "another's scripts through.")

RATES = (
    rate("static-kept", "static 1 KB, keep-alive, 8 clients", missed=A_LOOK),
    rate("php-kept", "PHP hello, keep-alive, 8 clients", path=PHP, missed=A_LOOK),
    rate("static-new-1", "static 1 KB, new connections, 1 vhost", new=True, missed=LISTENER_IN_THE_WAY),
    rate("static-new-100", "static 1 KB, new connections, 100 vhosts", new=True, sites=ALL,
         missed=LISTENER_IN_THE_WAY + MORE_PROCESSES),
    rate("php-new-1", "PHP hello, new connections, 1 vhost", path=PHP, new=True, missed=LISTENER_IN_THE_WAY),
    rate("php-new-100", "PHP hello, new connections, 100 vhosts", path=PHP, new=True, sites=ALL,
         missed=LISTENER_IN_THE_WAY + MORE_PROCESSES),
    rate("tls-static-new", "static 1 KB, TLS, new connections", new=True, tls=True, missed=HANDSHAKE),
    rate("tls-php-kept", "PHP hello, TLS, keep-alive, 8 clients", path=PHP, tls=True, missed=PARKED),
    rate("static-kept-1000", "static 1 KB, keep-alive, 1,000 clients on 400 processes",
         limits=(Limit("ratio", least=1.3),), clients=1000, plot=("clients", 1000), missed=IN_TURN),
    *(rate(f"static-kept-c{clients}", f"static 1 KB, keep-alive, {clients} clients", limits=(), clients=clients,
           plot=("clients", clients)) for clients in (1, 8, 32, 128, 400)),
    Row("found-static", "static 1 KB, new, 100 users found by an expression", "found", compared=OF_NAMED, new=True,
        sites=ALL, found=True, limits=(Limit("ratio", least=0.9),), why_not={
            "event": "there is no pool to find"}),
    Row("found-php", "PHP hello, new, 100 users found by an expression", "found", compared=OF_NAMED, path=PHP, new=True,
        sites=ALL, found=True, limits=(Limit("ratio", least=0.9),), why_not={
            "event": "php-fpm's pools cannot be found by a request"}),
)

HOLDING = (
    held("idle", 300), held("idle", 1000), held("idle", 5000, why_not=FULL_BEFORE),
    held("idle", 15_000, limits=HELD, why_not=FULL_BEFORE), held("stalled", 15_000, limits=HELD),
    Row("slow-readers", "200 clients read 10 MB slowly, others ask for PHP", "slow_readers", compared=OF_ITSELF,
        path=PHP, sites=ALL, new=True, limits=(Limit("ratio", least=0.9),)),
)

COLD = (
    Row("cold-first", "first request of a site with no worker, beyond a warm one", "cold_first", unit="ms", path=PHP,
        sites=ALL, limits=(Limit("value", most=3),), why_not=NO_BIRTHS, missed=CHILD_INIT),
    Row("copies-birth", "of that, for copies of what PHP shares among processes", "copies_birth", unit="ms", path=PHP,
        sites=ALL, once=True, kinds=("itk2",)),
    Row("cold-rate", "cold sites, a first request each, 8 at a time", "cold_rate", unit="sites/s", path=PHP, sites=ALL,
        limits=(Limit("value", least=500),), why_not=NO_BIRTHS, missed=FORKS),
    Row("comes-back", "WordPress of a site whose worker has ended, beyond a warm one",
        "comes_back", unit="ms", path="/wordpress.php", sites=5, why_not=NO_BIRTHS),
)

THOUSANDS = (
    Row("start", "start, 10,000 vhosts and users", "start", STAND_THOUSANDS, unit="s", compared=TIMES_PREFORKS,
        sites=MOST, limits=(Limit("ratio", most=2),)),
    Row("restart", "graceful restart, 10,000 vhosts and users", "restart", STAND_THOUSANDS, unit="s",
        compared=TIMES_PREFORKS, sites=MOST, limits=(Limit("ratio", most=2),), missed=NEW_GENERATION),
    Row("configured", "static 1 KB, new, 100 of 10,000 vhosts", "configured", STAND_THOUSANDS, compared=OF_FEW,
        new=True, sites=ALL, limits=(Limit("ratio", least=0.97),), missed=ROUTES),
    Row("turns", "1,000 identities in turn on 400 processes, PHP, 50 a second", "turns", STAND_THOUSANDS,
        compared="time of a request, and times that of 100 warm ones", unit="ms", path=PHP, sites=TURNS,
        limits=(Limit("p99 ratio", most=5),), why_not=NO_POOLS, missed=NONE_WARM),
    *(rate(f"in-play-{sites}", f"static 1 KB, new, {sites:,} of 10,000 vhosts in play", limits=(),
           stand=STAND_THOUSANDS, new=True, sites=sites, plot=("vhosts", sites)) for sites in (1, 10, 100, 1000, MOST)),
)

MEMORY = (
    Row("listener-memory", "listener, user space, per held connection", "listener_memory", unit="bytes", once=True,
        crowd=10_000, kinds=("itk2",), limits=(Limit("value", most=1024),)),
    Row("kernel-memory", "kernel, per held connection (one end of it)", "kernel_memory", unit="bytes", once=True,
        crowd=10_000, kinds=("itk2",)),
    Row("worker-memory", "an idle PHP worker's share (PSS)", "worker_memory", STAND_ALONE, unit="MiB", once=True,
        path=PHP, sites=ALL, limits=(Limit("value", most=2),)),
    Row("sites-memory", "100 PHP sites active, all processes (PSS)", "sites_memory", STAND_ALONE, unit="MiB",
        once=True, path=PHP, sites=ALL, limits=(Limit("value", most=48),), missed=A_PROCESS_EACH),
    Row("wordpress-memory", "each further site with WordPress of its own in the cache, all processes (PSS)",
        "wordpress_memory", STAND_ALONE, unit="MiB", once=True, sites=5, why_not={
            "event": "its pools are one cache", "itk": "as prefork"}),
)


def cost(key, name, measure, **settings):
    return Row(key, name, measure, unit="µs", once=True, kinds=("itk2",), **settings)


COSTS = (
    cost("cost-new", "listener, per new connection", "cost_of_new", new=True),
    # PHP's: light requests of so many would be answered in turn, without the listener.
    cost("cost-kept", "listener, per request of a kept connection that rests", "cost_of_kept", path=PHP, clients=1000),
    cost("cost-worker", "worker, per static request, new connection", "cost_of_worker", new=True),
    cost("cost-worker-php", "worker, per PHP request, new connection", "cost_of_worker", new=True, path=PHP),
    cost("cost-birth", "master, per worker born, 10,000 vhosts configured", "cost_of_birth", stand=STAND_THOUSANDS,
         path=PHP, sites=ALL),
    cost("cost-two", "two listeners together, per new connection", "cost_of_two", new=True),
    Row("two-rate", "rate with two listeners, new connections", "rate_of_two", compared="share of the rate with one",
        once=True, kinds=("itk2",), new=True),
)


# Why a request costs what it does: what is counted of one of these.
REQUESTS = {
    "static-kept": ("static 1 KB, keep-alive", {}),
    "php-kept": ("PHP hello, keep-alive", {"path": PHP}),
    "static-new": ("static 1 KB, new connection", {"new": True}),
    "static-new-100": ("static 1 KB, new connection, 100 vhosts", {"new": True, "sites": ALL}),
    "php-new": ("PHP hello, new connection", {"path": PHP, "new": True}),
    "tls-static-new": ("static 1 KB, TLS, new connection", {"new": True, "tls": True}),
    "tls-php-kept": ("PHP hello, TLS, keep-alive", {"path": PHP, "tls": True}),
}


def a_request(what, key, **settings):
    name, request = REQUESTS[key]
    return Row(f"{what}-{key}", name, f"{what}_a_request", unit=what, once=True, kinds=("prefork", "itk2"), **request,
               **settings)


CALLS = tuple(a_request("calls", key, clients=1) for key in REQUESTS)
INSTRUCTIONS = tuple(a_request("instructions", key, compared=TIMES_PREFORKS)
                     for key in ("static-kept", "php-kept", "static-new", "php-new", "tls-php-kept"))
EVIDENCE = (
    Row("rotation", "prefork whose children are 100, not 10: static 1 KB, new connections, 1 vhost", "rotation",
        compared="share of its rate with 10", once=True, kinds=("prefork",), new=True),
    Row("rotation-php", "prefork whose children are 100, not 10: PHP hello, new connections, 1 vhost", "rotation",
        compared="share of its rate with 10", once=True, kinds=("prefork",), new=True, path=PHP),
)

ROWS = RATES + HOLDING + COLD + COSTS + CALLS + INSTRUCTIONS + EVIDENCE + MEMORY + THOUSANDS
STANDS = (STAND_ALONE, STAND_HUNDRED, STAND_THOUSANDS)  # in this order
assert len({row.key for row in ROWS}) == len(ROWS)
