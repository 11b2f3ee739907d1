"""Heads that come slowly: in single bytes they are served, after the deadline they are told so."""
import select
import ssl
import time

import pytest

from itk2_testing import accounts
from itk2_testing.client import Who, request, tls_context
from itk2_testing.sites import static_content

USER = accounts.account(0)


@pytest.fixture(scope="module")
def server(module_servers, kind):
    return module_servers.start(kind, 2)


@pytest.fixture
def strict(servers, kind):
    return servers.start(kind, 2, lines=("RequestHeadTimeout 2",))


def drip(connection, data, pause=0.001):
    for number in range(len(data)):
        connection.sendall(data[number:number + 1])
        time.sleep(pause)


@pytest.mark.holds_for("itk")
def test_head_in_single_bytes_is_served(server):
    with server.connect() as connection:
        for _ in range(2):
            drip(connection.socket, request("/who.php", "v0.test"))
            assert Who.of(connection.answer()).is_account(USER)


def handshake(connection, context, deliver):
    """A TLS handshake and one request, whose records deliver(bytes) sends."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="v0.test")

    def until_done(step):
        while True:
            try:
                result = step()
                break
            except ssl.SSLWantReadError:
                if outgoing.pending:
                    deliver(outgoing.read())
                data = connection.socket.recv(1 << 16)
                assert data, "ended within TLS"
                incoming.write(data)
        if outgoing.pending:
            deliver(outgoing.read())
        return result
    until_done(tls.do_handshake)
    tls.write(request("/who.txt", "v0.test", close=True))
    return until_done(lambda: tls.read(4096))


def long_hello():
    """A context whose ClientHello is some 6 KB long."""
    context = tls_context()
    context.set_alpn_protocols([f"protocol-{number:05}" for number in range(360)] + ["http/1.1"])
    return context


@pytest.mark.holds_for("itk")
@pytest.mark.parametrize("context", [tls_context, long_hello], ids=["usual", "longer-than-4-KB"])
@pytest.mark.parametrize("single", [False, True], ids=["at-once", "in-single-bytes"])
def test_client_hello_is_served_however_it_comes(server, context, single):
    with server.connect_to(server.ports["https"]) as connection:
        deliver = (lambda data: drip(connection.socket, data, 0.0003)) if single else connection.socket.sendall
        answer = handshake(connection, context(), deliver)
    assert answer.startswith(b"HTTP/1.1 200") and static_content(USER).encode() in answer


@pytest.mark.parametrize("begin", [b"G", b"GET /who.txt HT", b"GET /who.txt HTTP/1.1\r\nHost: v0.test\r\nX: "])
def test_head_that_does_not_end_is_answered_408_at_the_deadline(strict, begin):
    with strict.connect() as connection:
        connection.send(begin)
        assert strict.get("/who.txt").status == 200
        answer = connection.answer()
        assert answer.status == 408 and not answer.keeps()
        assert connection.rest() == b""


def test_dripping_bytes_does_not_move_the_deadline(strict):
    with strict.connect() as connection:
        connection.send(b"GET /who.txt HTTP/1.1\r\n")
        for _ in range(2000):
            if select.select([connection.socket], [], [], 0.01)[0]:
                break
            connection.send(b"X-Y: z\r\n")
        else:
            pytest.fail("no answer after some 20 s of a deadline of 2 s")
        assert connection.answer().status == 408


def test_connection_that_says_nothing_is_closed_without_bytes_at_the_deadline(servers, kind):
    """AcceptFilter none: with TCP_DEFER_ACCEPT the kernel would keep it to itself for some 30 s."""
    server = servers.start(kind, 1, lines=("RequestHeadTimeout 2", "AcceptFilter http none", "AcceptFilter https none"))
    for port in server.ports.values():
        with server.connect_to(port) as connection:
            assert connection.ended_without_bytes()
    assert not server.in_role("worker"), "a silent connection has cost a worker"


@pytest.mark.parametrize("begin", [b"\x16\x03\x01", bytes.fromhex("16030102000100")], ids=["record-head", "hello-head"])
def test_client_hello_that_does_not_end_is_closed_without_bytes_at_the_deadline(strict, begin):
    with strict.connect_to(strict.ports["https"]) as connection:
        assert connection.send(begin).ended_without_bytes()


def test_kept_connection_is_closed_without_bytes_after_its_keepalive_timeout(servers, kind):
    server = servers.start(kind, 1, lines=("KeepAliveTimeout 1",))
    for tls in (False, True):
        with server.connect(tls=tls, sni="v0.test") as connection:
            assert connection.get("/who.txt", "v0.test").status == 200
            assert connection.ended_without_bytes()


@pytest.mark.parametrize("pause", [0.0, 0.1], ids=["at-once", "after-a-pause"])
def test_second_head_on_a_kept_connection_has_the_deadline_too(strict, pause):
    with strict.connect() as connection:
        assert connection.get("/who.txt", "v0.test").status == 200
        time.sleep(pause)
        connection.send(b"GET /who.txt HTTP/1.1\r\nHo")
        assert connection.answer().status == 408


def test_second_head_that_came_with_the_first_request_has_the_deadline_too(strict):
    """httpd has read its beginning: it stays with its worker."""
    with strict.connect() as connection:
        connection.send(request("/who.txt", "v0.test") + b"GET /who.txt HTTP/1.1\r\nHo")
        assert connection.answer().status == 200
        late = connection.answer()
        assert late.status == 408 and late.header("Connection") == "close" and late.header("Date")
        assert connection.ended_without_bytes()


def test_second_head_in_pieces_holds_no_worker(servers, kind):
    """One worker in all, and several clients whose next heads have begun: it goes on serving others."""
    server = servers.start(kind, 1, lines=("PoolMaxWorkers 1",))
    slow = [server.connect() for _ in range(5)]
    for connection in slow:
        assert connection.get("/who.txt", "v0.test").status == 200
        connection.send(b"GET /who.txt HTTP/1.1\r\nHo")
    assert server.get("/who.txt").status == 200
    for connection in slow:
        assert connection.send(b"st: v0.test\r\n\r\n").answer().status == 200
        connection.close()


@pytest.mark.holds_for("itk")
@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["at-once", "after-a-pause"])
def test_second_tls_head_in_two_records_is_answered(server, pause):
    """The first record is in mod_ssl's hands when the second one comes."""
    with server.connect(tls=True, sni="v0.test") as connection:
        for _ in range(3):
            connection.send(b"GET /who.php HTTP/1.1\r\nHo")
            time.sleep(pause)
            assert Who.of(connection.send(b"st: v0.test\r\n\r\n").answer()).is_account(USER)
            time.sleep(pause)


@pytest.mark.holds_for("itk")
def test_pipelined_tls_requests_in_records_of_their_own_are_answered(server):
    with server.connect(tls=True, sni="v0.test") as connection:
        for _ in range(8):
            connection.send(request("/who.php", "v0.test"))
        for _ in range(8):
            assert Who.of(connection.answer()).is_account(USER)
