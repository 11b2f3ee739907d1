"""Clients that ask each site once; and clients that read slowly, in a process of their own."""
import multiprocessing
import select
import socket
import time

from itk2_testing.client import request

PATIENCE = 30  # seconds for all answers


class Asking:
    """Clients that ask once each, over a connection of their own."""

    def __init__(self, server, path):
        self.server, self.path, self.poller, self.pending = server, path, select.epoll(), {}
        self.found, self.failures = [], 0  # ms of each that was answered 200; how many were not

    def ask(self, host, since):
        client = socket.create_connection(("127.0.0.1", self.server.ports["http"]), PATIENCE)
        client.sendall(request(self.path, host, close=True))
        self.pending[client.fileno()] = (client, since)
        self.poller.register(client, select.EPOLLIN)

    def take_answers(self, seconds):
        for number, _ in self.poller.poll(seconds):
            client, since = self.pending.pop(number)
            self.poller.unregister(client)
            try:
                is_answered = client.recv(65536).startswith(b"HTTP/1.1 200 ")
            except OSError:
                is_answered = False
            if is_answered:
                self.found.append((time.monotonic() - since) * 1000)
            self.failures += not is_answered
            client.close()

    def end(self, todo):
        """([ms of each that was answered], how many were not)"""
        for client, _ in self.pending.values():
            client.close()
        self.poller.close()
        return self.found, self.failures + len(self.pending) + len(todo)


def ask_each(server, path, hosts, at_once=1):
    """Asks each host once, `at_once` at a time: ([ms of each that was answered 200], seconds, failures)."""
    asking, todo, begin = Asking(server, path), list(reversed(hosts)), time.monotonic()
    while (todo or asking.pending) and time.monotonic() - begin < PATIENCE:
        while todo and len(asking.pending) < at_once:
            asking.ask(todo.pop(), time.monotonic())
        asking.take_answers(1)
    seconds = time.monotonic() - begin
    found, failures = asking.end(todo)
    return found, seconds, failures


def ask_steadily(server, path, hosts, a_second):
    """Asks each host once, at this pace whatever the answers take; the clock of each runs from when it was due:
    ([ms of each that was answered 200], failures)."""
    asking, todo, begin = Asking(server, path), list(reversed(hosts)), time.monotonic()
    while (todo or asking.pending) and time.monotonic() - begin < PATIENCE + len(hosts) / a_second:
        due = begin + (len(hosts) - len(todo)) / a_second
        if todo and time.monotonic() >= due:
            asking.ask(todo.pop(), due)
        else:
            asking.take_answers(max(due - time.monotonic(), 0) if todo else 1)
    return asking.end(todo)


SLOW_BYTES, SLOW_EVERY = 16 << 10, 0.5  # each reads so much, so often


def _read_slowly(port, path, host, count, all_read, end):
    readers = []
    for _ in range(count):
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BYTES)
        reader.settimeout(PATIENCE)
        reader.connect(("127.0.0.1", port))
        reader.sendall(request(path, host))
        readers.append(reader)
    for reader in readers:
        reader.recv(SLOW_BYTES)
    all_read.set()
    while not end.wait(SLOW_EVERY):
        for reader in readers:
            reader.recv(SLOW_BYTES)


class SlowReaders:
    """`count` clients in the middle of an answer that they take their time to read."""

    def __init__(self, server, path, host, count):
        self.all_read, self.end = multiprocessing.Event(), multiprocessing.Event()
        self.process = multiprocessing.Process(target=_read_slowly, daemon=True, args=(
            server.ports["http"], path, host, count, self.all_read, self.end))

    def __enter__(self):
        self.process.start()
        self.gathered = self.all_read.wait(PATIENCE)
        return self

    def __exit__(self, *_):
        self.end.set()
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
