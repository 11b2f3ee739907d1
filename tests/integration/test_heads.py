"""A request head leads where httpd's own reading of it leads: the same bytes are sent to a plain httpd, whose answer
names the vhost it chose, and given to route_judge/tell_vhost.cc. Where httpd answers 400 or 501 any vhost is right."""
import collections
import random
import re
import socket
import subprocess
from pathlib import Path

import pytest

from itk2_testing.instance import free_ports
from itk2_testing.waiting import poll
from test_routes import HERE, PLAN, SOURCE, output_of

pytestmark = pytest.mark.holds_for("itk2")

MODULES = ("mpm_prefork", "headers", "authz_core")
HOSTS = ("a.example", "b.example", "c.example", "B.EXAMPLE:80", "c.example.", "x", "", "b.example, c.example",
         " b.example",
         "b.example\t ", "c.example:", "b.example b.example")
TARGETS = ("/x", "/c/x", "//c/x", "/cx", "/c", "http://b.example/x", "http://c.example:80/c", "HTTP://b.example", "*",
           "https://b.example/x", "http:///x", "ftp://c.example/x", "c.example:80", "http:/x", "/x?http://b.example/",
           "http://u@c.example/", "http://b.example#f", "b.example", "http://b.example?x/c")
VERSIONS = (" HTTP/1.1",) * 8 + (" HTTP/1.0",) * 5 + ("", " http/1.1", " HTTP/2.0", " HTTP/1.1 ", "  HTTP/1.1",
                                                      " HTTP/1")


def random_field(chance, line_end):
    kind, host = chance.random(), chance.choice(HOSTS)
    if kind < 0.6:
        return chance.choice(("Host:", "host: ", "HOST:\t", "Host :", "Host: ")) + host + line_end()
    if kind < 0.7:
        return "Host:" + line_end() + chance.choice(" \t") + host + line_end()
    if kind < 0.8:
        return chance.choice((" ", "\t", " Host: ")) + host + line_end()
    if kind < 0.97:
        return chance.choice(("X: y", "X:", "X-Host: b.example", "Accept: */*", "X: \x80z")) + line_end()
    return chance.choice(("junk", ": x", "A B: c", "X: \x01", "X: a\x0bb", "X: \0", "X: a\rb")) + line_end()


def random_head(chance, bare_line_feeds):
    def line_end():
        return "\n" if chance.random() < bare_line_feeds else "\r\n"
    method = chance.choice(("GET",) * 6 + ("HEAD", "POST", "CONNECT", "OPTIONS"))
    version = chance.choice(VERSIONS)
    head = chance.choice(("", "", "", "\r\n", "\r\n\r\n")) + method + chance.choice((" ",) * 12 + ("  ", "\t"))
    head += chance.choice(TARGETS) + version + line_end()
    if version:
        head += "".join(random_field(chance, line_end) for _ in range(chance.choice((0, 1, 1, 1, 1, 1, 2,
                                                                                     3)))) + line_end()
    return head.encode("latin-1")


@pytest.fixture(scope="module")
def tell(tmp_path_factory):
    program = tmp_path_factory.mktemp("tell") / "tell_vhost"
    subprocess.run(["c++", "-std=c++20", "-O1", f"-I{SOURCE}", f"{HERE}/route_judge/tell_vhost.cc",
                    *(f"{SOURCE}/plan/{name}.cc" for name in PLAN), "-o", str(program)], check=True, timeout=300)
    return lambda head: subprocess.run([program], input=head, capture_output=True, check=True,
                                       timeout=10).stdout.decode().strip()


class PlainHttpd:
    def __init__(self, directory, conformance):
        self.port = free_ports(1)[0]
        libexec = Path(output_of("apxs", "-q", "LIBEXECDIR"))
        vhosts = "".join(f"<VirtualHost *:{self.port}>\nServerName {name}.example\nHeader always set X-Vhost {number}\n"
                         f"{more}\n</VirtualHost>\n"
                         for number, name, more in ((1, "a", ""), (2, "b", ""), (3, "c", "ServerPath /c")))
        (directory / "httpd.conf").write_text(
            f"ServerRoot {directory}\nServerName main.example\nPidFile httpd.pid\nErrorLog error_log\n"
            "User nobody\nGroup #65534\n"
            + "".join(f"LoadModule {name}_module {libexec}/mod_{name}.so\n" for name in MODULES)
            + f"HttpProtocolOptions {conformance} Allow0.9\nStartServers 2\nTimeout 3\nKeepAlive Off\n"
            f"Listen 127.0.0.1:{self.port}\n{vhosts}")
        server = f"{output_of('apxs', '-q', 'SBINDIR')}/{output_of('apxs', '-q', 'PROGNAME')}"
        # httpd signals its whole process group when it ends.
        self.process = subprocess.Popen([server, "-DFOREGROUND", "-f", str(directory / "httpd.conf")],
                                        start_new_session=True)
        poll(lambda: (directory / "httpd.pid").exists() or self.process.poll() is not None, "httpd to start")

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def answer(self, head):
        """Status and vhost; the status is None where there is no status line: HTTP/0.9, or nothing came."""
        received = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(head)
            connection.shutdown(socket.SHUT_WR)
            while b"\r\n\r\n" not in received:
                piece = connection.recv(65536)
                if not piece:
                    break
                received += piece
        status = re.match(rb"HTTP/\S+ (\d+)", received)
        vhost = re.search(rb"\r\nX-Vhost: (\d)", received)
        return status and int(status[1]), vhost and vhost[1].decode()


@pytest.mark.parametrize("conformance, bare_line_feeds", (("Strict", 0.0), ("Unsafe", 0.4)))
def test_head_leads_where_httpd_leads_it(tell, tmp_path, conformance, bare_line_feeds):
    chance, seen = random.Random(5), collections.Counter()
    httpd = PlainHttpd(tmp_path, conformance)
    try:
        for _ in range(1500):
            head = random_head(chance, bare_line_feeds)
            status, vhost = httpd.answer(head)
            told = tell(head)
            if status in (400, 501):
                seen["refused"] += 1
            elif vhost is not None:
                seen["compared"] += 1
                assert told.removeprefix("other ") == vhost, head
    finally:
        httpd.stop()
    assert seen["compared"] > 100, seen
