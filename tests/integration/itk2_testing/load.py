"""Clients that mix sites, static files and PHP, plain and TLS, kept and new connections, and check every answer.

Each client is a process. A kept connection belongs to one site and is used again after pauses; one that has ended is
a failure. One whose answer says "Connection: close" is not used again, which only TLS may say: its state can't leave
its worker, so it ends, after an answer, with the worker's generation.
"""
import multiprocessing
import random
import re
import socket
import time
from dataclasses import dataclass, field

from . import accounts
from .client import request, tls_context
from .sites import static_content

DEADLINE = 420.0  # of a whole load
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n")


@dataclass
class Totals:
    requests: int = 0
    connections: int = 0
    failures: list = field(default_factory=list)
    seen: set = field(default_factory=set)  # (tls, kept, php) of what was answered
    seconds: float = 0.0

    def add(self, other):
        self.requests += other.requests
        self.connections += other.connections
        self.failures += other.failures
        self.seen |= other.seen
        self.seconds = max(self.seconds, other.seconds)

    def __str__(self):
        rate = self.requests / self.seconds if self.seconds else 0
        return f"{self.requests} requests on {self.connections} connections in {self.seconds:.1f} s ({rate:.0f}/s), " \
               f"{len(self.failures)} failed: {self.failures[:10]}"


@dataclass(frozen=True)
class Mix:
    """Shares of all requests, and how many idle connections each client holds."""
    new: float = 0.3
    tls: float = 0.25
    php: float = 0.5
    held: int = 6
    burst: int = 16

    @property
    def chance_of_new(self):
        """What the next connection is, so that this share of the requests comes on new ones."""
        kept_for_one = self.new * self.burst / 2
        return kept_for_one / (1 - self.new + kept_for_one)


class _Client:
    def __init__(self, number, server, mix, requests, stop, first_site):
        self.number, self.mix, self.requests, self.stop, self.first_site = number, mix, requests, stop, first_site
        self.ports = (server.ports["http"], server.ports["https"])
        self.sites = [site.name for site in server.plan.sites]
        self.random = random.Random(number)
        self.context = tls_context()
        self.totals = Totals()
        self.held = {}  # {(site number, tls): socket}
        self.expected = [self._expected(user, name) for user,
                         name in zip(accounts.accounts(len(self.sites)), self.sites)]

    @staticmethod
    def _expected(user, site):
        groups = ",".join(str(group) for group in user.groups)
        before, after = f"{user.uid} {user.gid} {groups} {user.uid} ", f" {site}\n"
        return static_content(user).encode(), before.encode(), after.encode()

    def run(self):
        begin = time.monotonic()
        while self.totals.requests < self.requests and not self.stop.is_set() and len(self.totals.failures) < 20:
            new = self.random.random() < self.mix.chance_of_new
            site, tls = self.random.randrange(self.first_site, len(self.sites)), self.random.random() < self.mix.tls
            try:
                if new:
                    self._alone(site, tls)
                else:
                    self._burst(*self._kept(site, tls))
            except Exception as error:  # whatever it was, this request has failed
                self.totals.failures.append(f"{self.sites[site]} tls={tls} new={new}: {type(error).__name__}: {error}")
                for connection in self.held.values():
                    connection.close()
                self.held.clear()
        self.totals.seconds = time.monotonic() - begin
        return self.totals

    def _open(self, site, tls):
        connection = socket.create_connection(("127.0.0.1", self.ports[tls]), 60, (f"127.0.1.{self.number + 1}", 0))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.totals.connections += 1
        return self.context.wrap_socket(connection, server_hostname=self.sites[site]) if tls else connection

    def _kept(self, site, tls):
        """A held connection, or a new one in the place of a held one."""
        if len(self.held) >= self.mix.held:
            key = self.random.choice(list(self.held))
            if self.random.random() < 0.8:
                return key
            self.held.pop(key).close()
        if (site, tls) not in self.held:
            self.held[site, tls] = self._open(site, tls)
        return site, tls

    def _alone(self, site, tls):
        with self._open(site, tls) as connection:
            self._ask(connection, site, tls, close=True)

    def _burst(self, site, tls):
        for _ in range(min(self.random.randint(1, self.mix.burst - 1), self.requests - self.totals.requests)):
            if (site, tls) not in self.held:
                self.held[site, tls] = self._open(site, tls)
            if not self._ask(self.held[site, tls], site, tls, close=False):
                self.held.pop((site, tls)).close()

    def _ask(self, connection, site, tls, close):
        """Whether the connection may be used again."""
        php = self.random.random() < self.mix.php
        connection.sendall(request("/who.php" if php else "/who.txt", self.sites[site], close=close))
        data = connection.recv(8192)
        while b"\r\n\r\n" not in data:
            more = connection.recv(8192)
            if not more:
                raise AssertionError(f"ended after {data!r}")
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        if not head.startswith(b"HTTP/1.1 200 "):
            raise AssertionError(f"answered {head[:80]!r} {body[:200]!r}")
        length = int(_LENGTH.search(head + b"\r\n").group(1))
        while len(body) < length:
            body += connection.recv(8192) or b"\0" * length
        static, before, after = self.expected[site]
        if (not (body.startswith(before) and body.endswith(after))) if php else body != static:
            raise AssertionError(f"wrong: {body[:200]!r}")
        self.totals.requests += 1
        self.totals.seen.add((tls, not close, php))
        said_close = b"\r\nConnection: close" in head
        if said_close and not (close or tls):
            raise AssertionError("a plain connection was not kept")
        return not said_close


class Load:
    """requests=None: until stop(). Sites before first_site are left alone."""

    def __init__(self, server, clients=8, requests=None, mix=Mix(), first_site=0):
        self._context = multiprocessing.get_context("fork")
        self._stop = self._context.Event()
        share = [requests // clients + (number < requests % clients) if requests is not None else 1 << 60
                 for number in range(clients)]
        self._clients = [_Client(number, server, mix, share[number], self._stop, first_site)
                         for number in range(clients)]
        self._processes = []

    def start(self):
        for client in self._clients:
            receiving, sending = self._context.Pipe(duplex=False)
            process = self._context.Process(target=lambda client=client, end=sending: end.send(client.run()),
                                            daemon=True)
            process.start()
            sending.close()
            self._processes.append((process, receiving))
        return self

    def running(self):
        return all(process.is_alive() for process, _ in self._processes)

    def finish(self):
        """Waits for the clients and adds up."""
        totals, end = Totals(), time.monotonic() + DEADLINE
        for process, receiving in self._processes:
            assert receiving.poll(max(0.0, end - time.monotonic())), "a client of the load does not end"
            totals.add(receiving.recv())
            process.join(30)
        return totals

    def stop(self):
        self._stop.set()
        return self.finish()

    def run(self):
        return self.start().finish()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        for process, _ in self._processes:
            if process.is_alive():
                process.kill()
            process.join(30)
