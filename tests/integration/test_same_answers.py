"""The same bytes to prefork and to the server under test: the same bytes back, save Date and the like."""
import time

import pytest

from itk2_testing.client import fingerprint, request
from itk2_testing.comparing import assert_same, saying
from itk2_testing.configuration import Plan, Site

pytestmark = pytest.mark.holds_for("prefork", "itk")

EXPECTED_ERRORS = (r"client denied by server configuration",
                   r"AH0\d+: .*(?:Invalid|rejecting|request|Request|URI|Host|header)",
                   r"AH02032", r"AH02042", r"AH00126", r"AH00037", r"AH01276", r"AH03492", r"AH035\d\d",
                   r"\[ssl:info\]", r"\[http:", r"\[core:(?:info|error|debug)\]")


def sites(tree):
    error_pages = ("ErrorDocument 404 /errors/404.php", "ErrorDocument 403 /errors/plain.txt",
                   "ErrorDocument 400 /errors/plain.txt",
                   "ErrorDocument 405 /errors/404.php")
    return [Site("v0.test", tree.shared, "itk2t001 itk2t001", ("ServerAlias *.alias.test", "SetEnv UNIQUE v0")),
            Site("v1.test", tree.shared, "itk2t002 itk2t002", ("SetEnv UNIQUE v1", "Redirect /old http://v0.test/new")),
            Site("v2.test", tree.shared, "itk2t001 itk2t001", error_pages),
            Site("small.test", tree.shared, "itk2t001 itk2t001", ("LimitRequestBody 1000",)),
            Site("proxied.test", tree.shared, "itk2t001 itk2t001", ("RemoteIPProxyProtocol On",), port="@PORT0@"),
            Site("proxiedtls.test", tree.shared, "itk2t001 itk2t001", ("SSLEngine on", "RemoteIPProxyProtocol On"),
                 port="@PORT1@")]


@pytest.fixture(scope="module")
def pair(module_servers, kind, tree):
    """The control and the subject."""
    lines = ("MaxKeepAliveRequests 5", "SetEnv ap_trust_cgilike_cl yes",
             f"ScriptAlias /cgi-bin/ {tree.shared}/cgi-bin/", "AddOutputFilterByType DEFLATE text/html")
    made = []
    for which in ("prefork", kind):
        server = module_servers.make(Plan(which, sites(tree), lines, ("cgi", "remoteip", "filter", "deflate"),
                                          listen=("127.0.0.1:@PORT0@", "127.0.0.1:@PORT1@ https")))
        server.allow(*EXPECTED_ERRORS)
        made.append(server.start())
    return made


def get(path, host="v0.test", *headers, method="GET", version="HTTP/1.1", body=b""):
    return request(path, host, method, headers, body, close=True, version=version)


def head(*lines):
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


WELL_FORMED = {
    "static": get("/small.txt"),
    "index": get("/"),
    "other-site": get("/facts.php", "v1.test"),
    "wildcard-alias": get("/facts.php", "any.alias.test"),
    "host-with-port": get("/facts.php", "v1.test:80"),
    "host-upper-case": get("/facts.php", "V1.TEST"),
    "host-trailing-dot": get("/facts.php", "v1.test."),
    "unknown-host": get("/facts.php", "nobody.test"),
    "address-as-host": get("/facts.php", "127.0.0.1"),
    "ipv6-as-host": get("/facts.php", "[::1]"),
    "php-facts": get("/facts.php?a=1&b=%20", "v0.test", "X-Some: thing", "Cookie: a=b"),
    "php-flushes": get("/flush.php"),
    "php-status": get("/status.php?code=418"),
    "php-304": get("/status.php?code=304"),
    "php-redirect": get("/redirect.php"),
    "php-path-info": get("/facts.php/more/path"),
    "not-found": get("/nowhere"),
    "not-found-error-document": get("/nowhere", "v2.test"),
    "forbidden": get("/secret/x"),
    "forbidden-error-document": get("/secret/x", "v2.test"),
    "directory-redirect": get("/sub"),
    "redirect-directive": get("/old/page", "v1.test"),
    "htaccess-php-value": get("/env/env.php"),
    "htaccess-rewrite": get("/rewrite/a"),
    "htaccess-redirect": get("/rewrite/b"),
    "cgi": get("/cgi-bin/facts.cgi"),
    "cgi-post": get("/cgi-bin/facts.cgi", method="POST", body=b"to the script\n"),
    "head-static": get("/small.txt", method="HEAD"),
    "head-php": get("/facts.php", method="HEAD"),
    "head-large": get("/10m.bin", method="HEAD"),
    "options": get("/small.txt", method="OPTIONS"),
    "options-star": get("*", method="OPTIONS"),
    "trace": get("/small.txt", "v0.test", "X-Traced: yes", method="TRACE"),
    "put-static": get("/small.txt", method="PUT", body=b"x"),
    "post-static": get("/small.txt", method="POST", body=b"x" * 2000),
    "unknown-method": get("/small.txt", method="FROB"),
    "delete-php": get("/facts.php", method="DELETE"),
    "range": get("/small.txt", "v0.test", "Range: bytes=3-9"),
    "range-several": get("/small.txt", "v0.test", "Range: bytes=0-1,5-6,-2"),
    "range-unsatisfiable": get("/small.txt", "v0.test", "Range: bytes=1000-"),
    "if-modified-since": get("/small.txt", "v0.test", "If-Modified-Since: Sun, 01 Jan 2034 00:00:00 GMT"),
    "if-none-match": get("/small.txt", "v0.test", "If-None-Match: *"),
    "deflate": get("/1k.html", "v0.test", "Accept-Encoding: gzip"),
    "form-post": get("/facts.php", "v0.test", "Content-Type: application/x-www-form-urlencoded", method="POST",
                     body=b"a=1&b=2"),
    "absolute-target": get("http://v1.test/facts.php", "v1.test"),
    "http-1.0": head("GET /facts.php HTTP/1.0", "Host: v1.test"),
    "http-1.0-no-host": head("GET /facts.php HTTP/1.0"),
    "http-1.0-keep-alive": head("GET /facts.php HTTP/1.0", "Connection: keep-alive") + head("GET /small.txt HTTP/1.0"),
    "http-0.9": b"GET /small.txt\r\n",
    "http-0.9-bare-lf": b"GET /small.txt\n",
    "leading-empty-line": b"\r\n" + get("/small.txt"),
    "bare-lf-lines": get("/small.txt").replace(b"\r\n", b"\n"),
    "folded-header": head("GET /facts.php HTTP/1.1", "Host: v0.test", "X-Folded: one", "  two", "Connection: close"),
    "header-of-8000": get("/small.txt", "v0.test", "X-Long: " + "y" * 8000),
    "30-headers-of-1000": get("/small.txt", "v0.test", *(f"X-{number}: " + "z" * 1000 for number in range(30))),
    "host-after-30000-bytes": head("GET /facts.php HTTP/1.1", *(f"X-{number}: " + "z" * 1000 for number in range(30)),
                                   "Host: v0.test",
                                   "Connection: close"),
    "upgrade-h2c": get("/small.txt", "v0.test", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
}

MALFORMED = {
    "no-host": head("GET / HTTP/1.1", "Connection: close"),
    "empty-host": head("GET /facts.php HTTP/1.1", "Host:", "Connection: close"),
    "two-hosts": head("GET / HTTP/1.1", "Host: v0.test", "Host: v1.test", "Connection: close"),
    "host-of-bad-characters": get("/", "v0.test/../x"),
    "host-of-bad-port": get("/", "v0.test:99999"),
    "host-with-spaces": get("/", "v0.test v1.test"),
    "no-host-error-document": head("GET / HTTP/1.1", "X: y", "Connection: close"),
    "garbage": b"\x01\x02\x03 nothing of the kind\r\n\r\n",
    "http2-preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "bad-version": head("GET / HTTP/9.9", "Host: v0.test", "Connection: close"),
    "version-without-number": head("GET / HTTP/x", "Host: v0.test"),
    "small-letter-version": head("GET / http/1.1", "Host: v0.test", "Connection: close"),
    "method-only": b"GET\r\n\r\n",
    "spaces-before-target": head("GET   / HTTP/1.1", "Host: v0.test", "Connection: close"),
    "target-without-slash": head("GET small.txt HTTP/1.1", "Host: v0.test", "Connection: close"),
    "header-without-colon": head("GET / HTTP/1.1", "Host: v0.test", "nonsense", "Connection: close"),
    "space-before-colon": head("GET / HTTP/1.1", "Host : v0.test", "Connection: close"),
    "nul-in-header": b"GET / HTTP/1.1\r\nHost: v0.test\r\nX: a\0b\r\nConnection: close\r\n\r\n",
    "uri-of-9000": get("/" + "u" * 9000),
    "header-of-9000": get("/", "v0.test", "X-Long: " + "y" * 9000),
    "101-headers": get("/", "v0.test", *(f"X-{number}: y" for number in range(101))),
    "bad-content-length": head("POST /echo.php HTTP/1.1", "Host: v0.test", "Content-Length: abc"),
    "negative-content-length": head("POST /echo.php HTTP/1.1", "Host: v0.test", "Content-Length: -5"),
    "two-content-lengths": head("POST /echo.php HTTP/1.1", "Host: v0.test", "Content-Length: 5", "Content-Length: 6"),
    "bad-chunk": head("POST /echo.php HTTP/1.1", "Host: v0.test", "Transfer-Encoding: chunked",
                      "Connection: close") + b"zz\r\n\r\n",
    "unknown-transfer-coding": head("POST /echo.php HTTP/1.1", "Host: v0.test", "Transfer-Encoding: frob",
                                    "Connection: close"),
    "dot-dot": get("/../../etc/passwd"),
    "encoded-slash": get("/a%2fb"),
    "nul-in-target": get("/a%00b"),
    "bad-escape": get("/a%zz"),
    "absolute-target-other-host": get("http://v1.test/facts.php", "v0.test"),
    "connect": head("CONNECT v0.test:80 HTTP/1.1", "Host: v0.test:80", "Connection: close"),
    "client-hello-on-plain-port":
        bytes.fromhex("160301002f0100002b0303" + "72" * 32 + "000002c02b0100000000") + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", WELL_FORMED)
def test_well_formed_request_is_answered_as_by_prefork(pair, name):
    assert_same(pair, saying(WELL_FORMED[name]))


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_request_is_answered_as_by_prefork(pair, name):
    assert_same(pair, saying(MALFORMED[name]))


@pytest.mark.parametrize("name", ["static", "other-site", "php-flushes", "cgi-post", "not-found", "head-php",
                                  "http-1.0-no-host",
                                  "http-0.9", "range-several", "30-headers-of-1000"])
def test_request_over_tls_is_answered_as_by_prefork(pair, name):
    sni = "v1.test" if name == "other-site" else "v0.test"
    assert_same(pair, saying(WELL_FORMED[name]), tls=True, sni=sni)


@pytest.mark.parametrize("sni", [None, "nobody.test"], ids=["no-sni", "unknown-sni"])
def test_tls_without_a_known_name_is_answered_as_by_prefork(pair, sni):
    assert_same(pair, saying(get("/facts.php", "v0.test")), tls=True, sni=sni)


def test_plain_http_on_the_tls_port_is_answered_as_by_prefork(pair):
    assert b"400 Bad Request" in assert_same(pair, saying(get("/")), port=lambda server: server.ports["https"])


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_ipv6_is_answered_as_by_prefork(pair, tls):
    assert b"REMOTE_ADDR=::1" in assert_same(pair, saying(get("/facts.php", "v0.test")), host="::1", tls=tls,
                                             sni="v0.test")


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_10_megabytes_arrive_as_from_prefork(pair, tls):
    answer = assert_same(pair, lambda connection: connection.send(get("/10m.bin")).rest(), tls=tls, sni="v0.test")
    assert len(answer) > 10 << 20


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_10_megabytes_to_a_slow_reader_arrive_whole(pair, tls):
    def slowly(connection):
        connection.send(request("/10m.bin", "v0.test"))
        time.sleep(0.5)  # the server fills every buffer meanwhile
        first = connection.answer()
        return fingerprint(first.body).encode() + connection.send(get("/small.txt")).rest()
    assert_same(pair, slowly, tls=tls, sni="v0.test")
