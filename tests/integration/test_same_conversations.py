"""Conversations of several steps on one connection, with prefork and the server under test: the same bytes back."""
import socket
import struct
import time

import pytest

from itk2_testing.client import request
from itk2_testing.comparing import assert_same, normalised_log, saying
from test_same_answers import get, head, pair  # noqa: F401 (a fixture)

pytestmark = pytest.mark.holds_for("prefork", "itk")

BODY = bytes(range(256)) * 1200  # 300 KB
PAUSE = 0.1  # long enough that a kept connection has gone back to the listener; nothing fails if it has not


def chunked(body, size):
    pieces = [body[place:place + size] for place in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def in_turn(*requests, pause=0.0):
    """A talk: each request after the answer to the one before. The last one ends the connection."""
    def talk(connection):
        heard = b""
        for data in requests[:-1]:
            connection.send(data)
            answer = connection.answer("HEAD" if data.startswith(b"HEAD") else "GET")
            heard += answer.head + b"\r\n\r\n" + answer.body
            time.sleep(pause)
        return heard + connection.send(requests[-1]).rest()
    return talk


both_transports = pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])


@both_transports
@pytest.mark.parametrize("pause", [0.0, PAUSE], ids=["at-once", "after-a-pause"])
def test_kept_connection_is_answered_as_by_prefork(pair, tls, pause):
    """Up to MaxKeepAliveRequests 5, whose countdown shows in the Keep-Alive header; one more ends it."""
    paths = ("/small.txt", "/facts.php", "/flush.php", "/env/env.php", "/small.txt", "/1k.html")
    requests = [request(path, "v0.test", headers=["Connection: keep-alive"]) for path in paths]
    answer = assert_same(pair, in_turn(*requests, pause=pause), tls=tls, sni="v0.test")
    assert b"max=1" in answer and answer.count(b"HTTP/1.1 200") == 6


@both_transports
def test_pipelined_requests_are_answered_as_by_prefork(pair, tls):
    requests = [request(path, "v0.test") for path in ("/small.txt", "/facts.php", "/nowhere", "/flush.php")]
    answer = assert_same(pair, saying(b"".join(requests) + get("/1k.html")), tls=tls, sni="v0.test")
    assert answer.count(b"HTTP/1.1 ") == 5


def test_pipelined_posts_are_answered_as_by_prefork(pair):
    posts = [request("/echo.php", "v0.test", "POST", body=bytes([65 + number]) * 3000) for number in range(4)]
    answer = assert_same(pair, saying(b"".join(posts) + get("/small.txt")))
    assert b"D" * 3000 in answer


def test_a_second_request_that_comes_in_two_halves_is_answered_as_by_prefork(pair):
    whole = request("/small.txt", "v0.test")

    def talk(connection):
        connection.send(whole + get("/facts.php")[:20])
        first = connection.answer()
        time.sleep(PAUSE)
        return first.head + first.body + connection.send(get("/facts.php")[20:]).rest()
    assert b"SERVER_NAME=v0.test" in assert_same(pair, talk)


@both_transports
def test_300_kilobyte_post_comes_back_as_from_prefork(pair, tls):
    assert BODY in assert_same(pair, saying(get("/echo.php", "v0.test", method="POST", body=BODY)), tls=tls,
                               sni="v0.test")


@both_transports
def test_chunked_post_comes_back_as_from_prefork(pair, tls):
    lines = head("POST /echo.php HTTP/1.1", "Host: v0.test", "Transfer-Encoding: chunked", "Connection: close")
    assert BODY in assert_same(pair, saying(lines + chunked(BODY, 777)), tls=tls, sni="v0.test")


def test_chunked_post_then_a_kept_request_are_answered_as_by_prefork(pair):
    lines = head("POST /echo.php HTTP/1.1", "Host: v0.test", "Transfer-Encoding: chunked")
    assert_same(pair, in_turn(lines + chunked(BODY, 4096), get("/small.txt"), pause=PAUSE))


@both_transports
def test_expect_100_continue_is_answered_as_by_prefork(pair, tls):
    def talk(connection):
        connection.send(head("POST /echo.php HTTP/1.1", "Host: v0.test", f"Content-Length: {len(BODY)}",
                             "Expect: 100-continue",
                             "Connection: close"))
        interim = connection.interim()
        assert interim.status == 100
        return interim.head + connection.send(BODY).rest()
    assert BODY in assert_same(pair, talk, tls=tls, sni="v0.test")


def test_unknown_expectation_is_answered_as_by_prefork(pair):
    assert_same(pair, saying(head("POST /echo.php HTTP/1.1", "Host: v0.test", "Content-Length: 3", "Expect: 200-ok",
                                  "Connection: close") + b"abc"))


def test_body_that_nobody_reads_is_answered_as_by_prefork(pair):
    assert_same(pair, in_turn(request("/nowhere", "v0.test", "POST", body=BODY), get("/small.txt"), pause=PAUSE))


@both_transports
def test_body_over_the_limit_is_refused_as_by_prefork_and_the_answer_is_not_lost_to_a_reset(pair, tls):
    """The server ends the connection while the client still sends: it has to linger."""
    answer = assert_same(pair, saying(request("/echo.php", "small.test", "POST", body=BODY * 4)), tls=tls,
                         sni="small.test")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_client_that_shuts_its_side_after_asking_is_answered_as_by_prefork(pair):
    assert_same(pair, lambda connection: connection.send(request("/flush.php", "v0.test")).shut().rest())


def test_host_of_another_site_of_the_same_user_is_served_on_the_same_connection(pair):
    assert_same(pair, in_turn(request("/facts.php", "v0.test"), get("/nowhere", "v2.test"), pause=PAUSE))


PROXY_V1 = b"PROXY TCP4 192.0.2.7 198.51.100.9 40001 443\r\n"
PROXY_V1_UNKNOWN = b"PROXY UNKNOWN\r\n"
PROXY_V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def proxy_v2(extra=b""):
    addresses = socket.inet_aton("192.0.2.8") + socket.inet_aton("198.51.100.9") + struct.pack("!HH", 40002, 443)
    return PROXY_V2_SIGNATURE + b"\x21\x11" + struct.pack("!H", len(addresses) + len(extra)) + addresses + extra


PROXY_HEADERS = {
    "v1": PROXY_V1,
    "v1-tcp6": b"PROXY TCP6 2001:db8::7 2001:db8::9 40001 443\r\n",
    "v1-unknown": PROXY_V1_UNKNOWN,
    "v2": proxy_v2(),
    "v2-with-tlv": proxy_v2(b"\x04\x00\x10" + b"\0" * 16),
    "v2-local": PROXY_V2_SIGNATURE + b"\x20\x00\x00\x00",
}


@pytest.mark.parametrize("name", PROXY_HEADERS)
def test_proxy_header_is_taken_as_by_prefork_for_every_request_of_the_connection(pair, name):
    requests = [request("/facts.php", "proxied.test"), request("/facts.php", "proxied.test"),
                get("/facts.php", "proxied.test")]
    answer = assert_same(pair, in_turn(*requests, pause=PAUSE), port=lambda server: server.spare_ports[0],
                         first=PROXY_HEADERS[name])
    if name in ("v1", "v2"):
        assert answer.count(b"REMOTE_ADDR=192.0.2.") == 3


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_proxy_header_before_tls_is_taken_as_by_prefork(pair, name):
    requests = [request("/facts.php", "proxiedtls.test"), get("/facts.php", "proxiedtls.test")]
    answer = assert_same(pair, in_turn(*requests, pause=PAUSE), port=lambda server: server.spare_ports[1],
                         first=PROXY_HEADERS[name],
                         tls=True, sni="proxiedtls.test")
    assert answer.count(b"REMOTE_ADDR=192.0.2.") == 2


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_proxy_header_in_single_bytes_is_taken_as_by_prefork(pair, name):
    def talk(connection):
        for byte in PROXY_HEADERS[name]:
            connection.send(bytes([byte]))
            time.sleep(0.001)
        return connection.send(get("/facts.php", "proxied.test")).rest()
    assert b"REMOTE_ADDR=192.0.2." in assert_same(pair, talk, port=lambda server: server.spare_ports[0])


def test_proxy_header_where_none_is_expected_is_refused_as_by_prefork(pair):
    assert_same(pair, saying(PROXY_V1 + get("/facts.php")))


def test_missing_proxy_header_is_refused_as_by_prefork(pair):
    assert_same(pair, lambda connection: connection.send(get("/facts.php", "proxied.test")).rest() or b"ended",
                port=lambda server: server.spare_ports[0])


def test_the_logs_tell_the_same(pair):
    """Last in this file: the access logs of all of it, and what the error logs say of clients, hold the same lines."""
    control, subject = pair
    assert normalised_log(subject.directory / "access.log") == normalised_log(control.directory / "access.log")
    errors = [[line for line in normalised_log(server.directory / "error.log") if "[client " in line]
              for server in pair]
    assert errors[1] == errors[0]
