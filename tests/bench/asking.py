"""Clients that ask each site once; and clients that read slowly, in a process of their own."""
import multiprocessing
import select
import socket
import time

from itk2_testing.client import request

PATIENCE = 30  # seconds for all answers


def ask_each(server, path, hosts, at_once=1):
    """One new connection for each host, `at_once` at a time: ([ms of each that was answered 200], seconds, failures)."""
    poller, todo, pending, found, failures = select.epoll(), list(reversed(hosts)), {}, [], 0
    begin = time.monotonic()
    while (todo or pending) and time.monotonic() - begin < PATIENCE:
        while todo and len(pending) < at_once:
            asked = time.monotonic()
            client = socket.create_connection(("127.0.0.1", server.ports["http"]), PATIENCE)
            client.sendall(request(path, todo.pop(), close=True))
            pending[client.fileno()] = (client, asked)
            poller.register(client, select.EPOLLIN)
        for number, _ in poller.poll(1):
            client, asked = pending.pop(number)
            poller.unregister(client)
            try:
                is_answered = client.recv(65536).startswith(b"HTTP/1.1 200 ")
            except OSError:
                is_answered = False
            if is_answered:
                found.append((time.monotonic() - asked) * 1000)
            failures += not is_answered
            client.close()
    for client, _ in pending.values():
        client.close()
    poller.close()
    return found, time.monotonic() - begin, failures + len(pending) + len(todo)


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
