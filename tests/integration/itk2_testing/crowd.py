"""Many connections that sit there: idle after an answer, or stalled within a request head."""
import select
import socket

from .client import request
from .waiting import poll

AT_ONCE = 200  # connections that ask or connect at one time: a crowd comes within a second or two, not at once
ADDRESSES = 8  # client addresses 127.0.2.1 ..., so that no range of ports runs out


class Crowd:
    def __init__(self, server, count, stalled, site="v0.test", path="/who.txt"):
        self.words = f"GET {path} HTTP/1.1\r\nHost: {site}\r\nX-Slow: ".encode() if stalled else request(path, site)
        self.server, self.count, self.stalled = server, count, stalled
        self.sockets = {}
        self.done = self.ended = 0  # answered, or has sent its half of a head; ended by the server
        self.pending = 0
        self.epoll = select.epoll()

    def __enter__(self):
        return self

    def gather(self, enough=None, deadline=60):
        """Connects everybody, few at once, until `enough` (all) are answered or have sent half a head."""
        enough = self.count if enough is None else enough
        todo = [self._connect for _ in range(self.count)]

        def gathered():
            while todo and (self.pending < AT_ONCE or enough < self.count):
                todo.pop()(len(todo))
            self._turn(0.1)
            return self.done >= enough
        poll(gathered, lambda: f"{self.done} of {self.count} done, {self.ended} ended", deadline, every=0)
        return self

    def ask_all_again(self):
        """Every connection asks once more; until all are answered."""
        assert not self.stalled and not self.ended
        self.done, todo = 0, list(self.sockets)

        def asked():
            while todo and self.pending < AT_ONCE:
                self.epoll.modify(todo.pop(), select.EPOLLOUT)
                self.pending += 1
            self._turn(0.1)
            return self.done >= self.count
        poll(asked, lambda: f"{self.done} of {self.count} answered, {self.ended} ended", deadline=60, every=0)
        return self

    def _connect(self, number):
        connection = socket.socket()
        connection.bind((f"127.0.2.{number % ADDRESSES + 1}", 0))
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", self.server.ports["http"]))
        self.sockets[connection.fileno()] = connection
        self.epoll.register(connection, select.EPOLLOUT)
        self.pending += 1

    def _turn(self, timeout):
        """Sends where a connection has come to be, takes answers; then watches for the end only."""
        for number, events in self.epoll.poll(timeout):
            connection = self.sockets[number]
            try:
                if events & select.EPOLLOUT:
                    connection.send(self.words)
                    self.epoll.modify(number, select.EPOLLIN)
                    if self.stalled:
                        self._count()
                elif connection.recv(4096).startswith(b"HTTP/1.1 200 "):
                    self._count()
                else:
                    raise ConnectionResetError
            except OSError:
                self.ended += 1
                self.pending -= 1
                self.epoll.unregister(number)

    def _count(self):
        self.done += 1
        self.pending -= 1

    def __exit__(self, *_):
        for connection in self.sockets.values():
            connection.close()
        self.epoll.close()
