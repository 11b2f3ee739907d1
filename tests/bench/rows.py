"""What is measured, and what is promised of it."""
from dataclasses import dataclass

KEPT_PROMISE = 0.8  # of prefork, on kept connections
NEW_PROMISE = 0.6   # of prefork, with a new connection for each request, over all sites
HELD_PROMISE = 0.8  # of the server's own rate while nobody holds connections
FOUND_PROMISE = 0.7  # of the server's own rate over as many virtual hosts that name their users

STATIC, PHP = "/1k.html", "/hello.php"
ALL_SITES = 100
CROWD = 2000


@dataclass(frozen=True)
class Row:
    name: str
    path: str
    sites: int = 1
    clients: int = 8
    new: bool = False     # a new connection for each request
    tls: bool = False
    found: bool = False   # one virtual host, where an expression finds each request's user
    held: str = ""        # "idle" or "stalled": what CROWD further connections do meanwhile
    promised: float = 0   # itk2's least ratio; 0: none is promised


ROWS = (
    Row("static 1 KB, keep-alive, 8 clients", STATIC, promised=KEPT_PROMISE),
    Row("static 1 KB, new connections, 1 vhost", STATIC, new=True),
    Row("static 1 KB, new connections, 100 vhosts", STATIC, sites=ALL_SITES, new=True, promised=NEW_PROMISE),
    Row("PHP hello, keep-alive, 8 clients", PHP, promised=KEPT_PROMISE),
    Row("PHP hello, new connections, 1 vhost", PHP, new=True),
    Row("PHP hello, new connections, 100 vhosts", PHP, sites=ALL_SITES, new=True, promised=NEW_PROMISE),
    Row("static 1 KB, TLS, new connections", STATIC, new=True, tls=True),
    Row("PHP hello, TLS, keep-alive, 8 clients", PHP, tls=True, promised=KEPT_PROMISE),
    Row("static 1 KB, keep-alive, 1,000 clients", STATIC, clients=1000),
    Row("static 1 KB, new, 100 users found **", STATIC, sites=ALL_SITES, new=True, found=True, promised=FOUND_PROMISE),
    Row("PHP hello, new, 100 users found **", PHP, sites=ALL_SITES, new=True, found=True, promised=FOUND_PROMISE),
    Row("2,000 idle held, others ask *", STATIC, new=True, held="idle", promised=HELD_PROMISE),
    Row("2,000 stalled held, others ask *", STATIC, new=True, held="stalled", promised=HELD_PROMISE),
)
