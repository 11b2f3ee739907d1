"""A client that sends exactly the bytes it is given and shows exactly the bytes it gets."""
import re
import socket
import ssl
import zlib
from dataclasses import dataclass, field

TIMEOUT = 15.0  # of every wait; a peer that stays silent this long fails the test


class Broken(Exception):
    """The answer ended early or is none."""


@dataclass
class Answer:
    status: int
    reason: str
    headers: list
    body: bytes
    head: bytes = field(repr=False, default=b"")

    def header(self, name, default=None):
        return next((value for key, value in self.headers if key.lower() == name.lower()), default)

    def keeps(self):
        return (self.header("Connection") or "").lower() != "close"


def tls_context(resume=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if not resume:
        context.options |= ssl.OP_NO_TICKET
    return context


_CONTEXT = tls_context()


def request(path, host, method="GET", headers=(), body=b"", close=False, version="HTTP/1.1"):
    lines = [f"{method} {path} {version}", f"Host: {host}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Connection:
    """One connection, plain or TLS. `first` is sent in the clear before anything else (a PROXY header)."""

    def __init__(self, port, host="127.0.0.1", tls=False, sni="localhost", timeout=TIMEOUT, source=None, first=b"",
                 context=None):
        self.socket = socket.create_connection((host, port), timeout, source)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.local_port = self.socket.getsockname()[1]
        if first:
            self.socket.sendall(first)
        if tls:
            try:
                self.socket = (context or _CONTEXT).wrap_socket(self.socket, server_hostname=sni)
            except BaseException:
                self.socket.close()
                raise
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def shut(self):
        """Sends FIN; goes on reading."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def get(self, path, host, **options):
        return self.send(request(path, host, **options)).answer(options.get("method", "GET"))

    def answer(self, method="GET"):
        """The next answer, whole; 100 Continue is passed over."""
        while True:
            found = self._one_answer(method)
            if found.status != 100:
                return found

    def interim(self):
        """The next head alone, as of 100 Continue."""
        return self._head()

    def rest(self):
        """Every byte until the peer ends; a reset ends it too."""
        try:
            while self._more():
                pass
        except (ConnectionResetError, ssl.SSLError):
            pass
        found, self.buffer = self.buffer, b""
        return found

    def ended_without_bytes(self):
        """True when the peer ends the connection and sends nothing before it: FIN, or TLS close_notify."""
        try:
            return not self._more() and not self.buffer
        except ConnectionResetError:
            return False

    def _more(self):
        data = self.socket.recv(1 << 16)
        self.buffer += data
        return data

    def _head(self):
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                raise Broken(f"ended within a head after {self.buffer[:200]!r}")
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        first = re.fullmatch(r"HTTP/1\.[01] (\d{3}) ?(.*)", lines[0])
        if not first:
            raise Broken(f"no status line: {lines[0]!r}")
        headers = [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "") for line in lines[1:]]
        return Answer(int(first.group(1)), first.group(2), headers, b"", head)

    def _one_answer(self, method):
        found = self._head()
        if method == "HEAD" or found.status in (100, 204, 304):
            return found
        length = found.header("Content-Length")
        if (found.header("Transfer-Encoding") or "").lower() == "chunked":
            found.body = self._chunks()
        elif length is not None:
            found.body = self._exactly(int(length))
        else:
            while self._more():
                pass
            found.body, self.buffer = self.buffer, b""
        return found

    def _exactly(self, length):
        parts, have = [self.buffer], len(self.buffer)
        while have < length:
            data = self.socket.recv(1 << 16)
            if not data:
                raise Broken(f"ended after {have} of {length} bytes")
            parts.append(data)
            have += len(data)
        whole = b"".join(parts)
        self.buffer = whole[length:]
        return whole[:length]

    def _line(self):
        while b"\r\n" not in self.buffer:
            if not self._more():
                raise Broken("ended within a chunk's head")
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def _chunks(self):
        parts = []
        while True:
            size = int(self._line().split(b";")[0], 16)
            if size == 0:
                while self._line():
                    pass
                return b"".join(parts)
            parts.append(self._exactly(size))
            self._exactly(2)


def fingerprint(data):
    """A short name for many bytes, to compare and to show."""
    return f"{len(data)} bytes, crc {zlib.crc32(data):08x}"


@dataclass(frozen=True)
class Who:
    """What who.php says of the process that ran it."""
    uid: int
    gid: int
    groups: tuple
    owner: int
    pid: int
    site: str

    @classmethod
    def of(cls, answer):
        words = answer.body.decode().split()
        assert answer.status == 200 and len(words) == 6, answer
        return cls(int(words[0]), int(words[1]), tuple(int(word) for word in words[2].split(",") if word),
                   int(words[3]), int(words[4]), words[5])

    def is_account(self, user):
        return (self.uid, self.gid, self.owner) == (user.uid, user.gid,
                                                    user.uid) and set(self.groups) == set(user.groups)
