"""The listener's look is a hint: whatever a client says, no site's file is served by another site's user."""
import time

import pytest

from itk2_testing import accounts
from itk2_testing.client import Who, request, tls_context
from itk2_testing.configuration import Site

USERS = accounts.accounts(2)


@pytest.fixture(scope="module")
def server(module_servers, kind, tree):
    """v0 and v1 of two users, and w0 of v0's user."""
    sites = module_servers.user_sites(2)
    sites.append(Site("w0.test", tree.docroot(USERS[0]), f"{USERS[0].name} {USERS[0].name}"))
    server = module_servers.start(kind, sites=sites)
    server.allow(r"\[core:(?:info|error)\]", r"AH02032", r"AH02033", r"ITK2601", r"\[ssl:")
    return server


transports = pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])


@transports
def test_same_connection_serves_another_site_of_the_same_identity(server, tls):
    with server.connect(tls=tls, sni="v0.test") as connection:
        for site in ("v0.test", "w0.test", "v0.test"):
            who = Who.of(connection.get("/who.php", site))
            assert who.is_account(USERS[0]) and who.site == site


@pytest.mark.parametrize("pause", [0.0, 0.1], ids=["at-once", "after-a-pause"])
def test_kept_connection_asking_for_another_identity_is_ended_without_bytes(server, pause):
    for again in ("/who.php", "/who.txt", "/nowhere"):
        with server.connect() as connection:
            assert Who.of(connection.get("/who.php", "v0.test")).is_account(USERS[0])
            time.sleep(pause)
            assert connection.send(request(again, "v1.test")).ended_without_bytes()


def test_kept_connection_ended_for_its_identity_takes_a_body_without_a_reset(server):
    """FIN, drained: a client that still sends a body is not reset before it has seen the FIN."""
    with server.connect() as connection:
        assert connection.get("/who.txt", "v0.test").status == 200
        time.sleep(0.1)
        connection.send(request("/who.php", "v1.test", "POST", body=b"z" * 30000))
        assert connection.ended_without_bytes()


def test_pipelined_request_for_another_identity_gets_421_or_nothing(server):
    """The worker reads it before the listener can look."""
    with server.connect() as connection:
        connection.send(request("/who.php", "v0.test") + request("/who.php", "v1.test"))
        assert Who.of(connection.answer()).is_account(USERS[0])
        rest = connection.rest()
        assert rest == b"" or (rest.startswith(b"HTTP/1.1 421 ") and b"\r\nConnection: close\r\n" in rest), rest


@pytest.mark.parametrize("path", ["/who.php", "/who.txt", "/", "/nowhere", "/wait.php"])
def test_sni_of_one_identity_and_host_of_another_is_answered_421_and_closed(server, path):
    with server.connect(tls=True, sni="v0.test") as connection:
        answer = connection.get(path, "v1.test")
        assert answer.status == 421 and not answer.keeps(), answer
        assert str(USERS[1].uid).encode() not in answer.body
        assert connection.rest() == b""


def test_second_tls_request_for_another_identity_ends_the_connection_without_a_byte(server):
    with server.connect(tls=True, sni="v0.test") as connection:
        assert Who.of(connection.get("/who.php", "v0.test")).is_account(USERS[0])
        connection.send(request("/who.php", "v1.test"))
        assert connection.rest() == b""


def test_resumed_tls_session_of_one_site_is_no_way_into_another(server):
    context = tls_context(resume=True)
    with server.connect(tls=True, sni="v0.test", context=context) as connection:
        assert Who.of(connection.get("/who.php", "v0.test")).is_account(USERS[0])
    with server.connect(tls=True, sni="v1.test", context=context) as connection:
        assert Who.of(connection.get("/who.php", "v1.test")).is_account(USERS[1])


def lines(*words, end="\r\n"):
    return end.join(words).encode("latin-1") + end.encode() * 2


TRICKS = {
    "absolute-target-wins": lines("GET http://v1.test/who.php HTTP/1.1", "Host: v0.test", "Connection: close"),
    "absolute-target-with-user": lines("GET http://v0.test@v1.test/who.php HTTP/1.1", "Host: v0.test",
                                       "Connection: close"),
    "absolute-target-https": lines("GET https://v1.test/who.php HTTP/1.1", "Host: v0.test", "Connection: close"),
    "absolute-target-upper-case": lines("GET HTTP://V1.TEST/who.php HTTP/1.1", "Host: v0.test", "Connection: close"),
    "absolute-target-no-host": lines("GET http://v1.test/who.php HTTP/1.1", "Connection: close"),
    "absolute-target-1.0": lines("GET http://v1.test/who.php HTTP/1.0"),
    "absolute-target-of-bad-port": lines("GET http://v1.test:x/who.php HTTP/1.1", "Host: v0.test", "Connection: close"),
    "scheme-without-slashes": lines("GET v1.test:80/who.php HTTP/1.1", "Host: v0.test", "Connection: close"),
    "double-slash-target": lines("GET //v1.test/who.php HTTP/1.1", "Host: v0.test", "Connection: close"),
    "two-hosts": lines("GET /who.php HTTP/1.1", "Host: v0.test", "Host: v1.test", "Connection: close"),
    "two-hosts-1.0": lines("GET /who.php HTTP/1.0", "Host: v0.test", "Host: v1.test"),
    "space-before-colon": lines("GET /who.php HTTP/1.1", "Host : v1.test", "Host: v0.test", "Connection: close"),
    "tab-around-name": lines("GET /who.php HTTP/1.1", "Host:\tv1.test\t", "Connection: close"),
    "no-space": lines("GET /who.php HTTP/1.1", "Host:v1.test", "Connection: close"),
    "small-letters": lines("GET /who.php HTTP/1.1", "hOsT: v1.test", "Connection: close"),
    "folded-host": lines("GET /who.php HTTP/1.1", "Host:", " v1.test", "Connection: close"),
    "folded-into-host": lines("GET /who.php HTTP/1.1", "Host: v0.test", " v1.test", "Connection: close"),
    "folded-after-other": lines("GET /who.php HTTP/1.1", "X: y", " Host: v1.test", "Host: v0.test",
                                "Connection: close"),
    "trailing-dot": lines("GET /who.php HTTP/1.1", "Host: v1.test.", "Connection: close"),
    "with-port": lines("GET /who.php HTTP/1.1", "Host: v1.test:8080", "Connection: close"),
    "with-empty-port": lines("GET /who.php HTTP/1.1", "Host: v1.test:", "Connection: close"),
    "with-plus-port": lines("GET /who.php HTTP/1.1", "Host: v1.test:+80", "Connection: close"),
    "with-two-ports": lines("GET /who.php HTTP/1.1", "Host: v1.test:80:80", "Connection: close"),
    "comma": lines("GET /who.php HTTP/1.1", "Host: v1.test, v0.test", "Connection: close"),
    "two-dots": lines("GET /who.php HTTP/1.1", "Host: v1.test..", "Connection: close"),
    "bare-lf": lines("GET /who.php HTTP/1.1", "Host: v1.test", "Connection: close", end="\n"),
    "bare-cr": b"GET /who.php HTTP/1.1\rHost: v0.test\r\nHost: v1.test\r\nConnection: close\r\n\r\n",
    "cr-in-header": b"GET /who.php HTTP/1.1\r\nX: y\rHost: v0.test\r\nHost: v1.test\r\nConnection: close\r\n\r\n",
    "nul-before-host": b"GET /who.php HTTP/1.1\r\nX: \0\r\nHost: v1.test\r\nConnection: close\r\n\r\n",
    "empty-lines-first": b"\r\n\r\n" + lines("GET /who.php HTTP/1.1", "Host: v1.test", "Connection: close"),
    "many-empty-lines-first": b"\r\n" * 50 + lines("GET /who.php HTTP/1.1", "Host: v1.test", "Connection: close"),
    "empty-lf-lines-first": b"\n\n" + lines("GET /who.php HTTP/1.1", "Host: v1.test", "Connection: close"),
    "spaces-in-request-line": lines("GET  /who.php  HTTP/1.1", "Host: v1.test", "Connection: close"),
    "tabs-in-request-line": lines("GET\t/who.php\tHTTP/1.1", "Host: v1.test", "Connection: close"),
    "leading-space": b" " + lines("GET /who.php HTTP/1.1", "Host: v1.test", "Connection: close"),
    "host-after-8-KB": lines("GET /who.php HTTP/1.1", *(f"X-{n}: " + "z" * 1000 for n in range(9)), "Host: v1.test",
                             "Connection: close"),
    "host-after-60-KB": lines("GET /who.php HTTP/1.1", *(f"X-{n}: " + "z" * 1000 for n in range(60)), "Host: v1.test",
                              "Connection: close"),
    "host-after-90-headers": lines("GET /who.php HTTP/1.1", *(f"X-{n}: z" for n in range(90)), "Host: v1.test",
                                   "Connection: close"),
    "second-host-after-60-KB": lines("GET /who.php HTTP/1.1", "Host: v0.test",
                                     *(f"X-{n}: " + "z" * 1000 for n in range(60)), "Host: v1.test",
                                     "Connection: close"),
    "http-0.9": b"GET /who.php\r\n",
    "http-0.9-with-host": b"GET /who.php\r\nHost: v1.test\r\n\r\n",
    "proxy-header-not-configured": b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + lines("GET /who.php HTTP/1.1",
                                                                                 "Host: v1.test", "Connection: close"),
    "x-forwarded-host": lines("GET /who.php HTTP/1.1", "Host: v0.test", "X-Forwarded-Host: v1.test",
                              "Forwarded: host=v1.test", "Connection: close"),
    "body-that-looks-like-a-head": lines("POST /who.php HTTP/1.1", "Host: v0.test", "Content-Length: 50",
                                         "Connection: close")
                                   + b"GET /who.php HTTP/1.1\r\nHost: v1.test\r\n\r\n".ljust(50),
    "lying-content-length": lines("POST /who.php HTTP/1.1", "Host: v0.test", "Content-Length: 0") +
                            lines("GET /who.php HTTP/1.1", "Host: v1.test", "Connection: close"),
}


@transports
@pytest.mark.parametrize("name", TRICKS)
def test_no_trick_makes_one_user_serve_the_others_site(server, name, tls):
    """Every 200 comes from the file's own owner; what is refused is so by status or by the end of the connection."""
    for sni in ("v0.test", "v1.test"):
        with server.connect(tls=tls, sni=sni) as connection:
            heard = connection.send(TRICKS[name]).rest()
        for part in heard.split(b"HTTP/1.1 200 OK")[1:] or ([heard] if heard[:1].isdigit() else []):
            words = part.split(b"\r\n\r\n", 1)[-1].split(b"\n")[0].split()
            uid, owner = int(words[0]), int(words[3])
            assert uid == owner, part
        if not tls:
            break


def test_after_all_tricks_the_server_serves_as_before(server):
    for number, user in enumerate(USERS):
        assert Who.of(server.get("/who.php", f"v{number}.test")).is_account(user)
