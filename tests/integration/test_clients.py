"""The clients of the world: curl, openssl, h2load, and HAProxy in front."""
import re
import signal
import subprocess
import threading
import time

import pytest

from itk2_testing import accounts
from itk2_testing.client import Connection, Who, request
from itk2_testing.sites import static_content
from itk2_testing.waiting import poll

of_itk_too = pytest.mark.holds_for("itk")
USER = accounts.account(0)


@pytest.fixture(scope="module")
def server(module_servers, kind):
    return module_servers.start(kind, 4)


def run(*command, timeout=120, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, timeout=timeout, **options)


@of_itk_too
@pytest.mark.parametrize("options", [[], ["--http1.0"], ["--http2"], ["--compressed"],
                                     ["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3"]],
                         ids=lambda options: "-".join(options) or "plain")
def test_curl_gets_its_files_over_one_connection(server, options):
    tls = "--tlsv1.2" in options or "--tlsv1.3" in options
    base = f"{'https' if tls else 'http'}://v0.test:{server.ports['https' if tls else 'http']}"
    done = run("curl", "-sSk", *options, "--resolve", f"v0.test:{server.ports['https' if tls else 'http']}:127.0.0.1",
               f"{base}/who.txt", f"{base}/who.txt", f"{base}/who.txt")
    assert done.stdout.decode() == static_content(USER) * 3, done.stderr
@of_itk_too
def test_curl_posts_with_expect(server):
    done = run("curl", "-sS", "-H", "Expect: 100-continue", "--data-binary", "@-", "-H", "Host: v0.test",
               f"http://127.0.0.1:{server.ports['http']}/who.php", input=b"p" * 300_000)
    assert done.stdout.split()[0] == str(USER.uid).encode(), done.stderr


@of_itk_too
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_s_client_gets_an_answer(server, version):
    done = run("openssl", "s_client", version, "-quiet", "-connect", f"127.0.0.1:{server.ports['https']}",
               "-servername", "v0.test",
               input=request("/who.txt", "v0.test", close=True))
    assert static_content(USER).encode() in done.stdout, done.stderr


@of_itk_too
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_h2load_over_http_1_1_sees_no_failure(server, tls):
    port = server.ports["https" if tls else "http"]
    uri = f"{'https' if tls else 'http'}://v0.test:{port}/who.txt"
    done = run("h2load", "--h1", "-n", 3000, "-c", 20, "-m", 4, "--connect-to", f"127.0.0.1:{port}", uri)
    said = done.stdout.decode()
    assert re.search(r"3000 succeeded, 0 failed, 0 errored, 0 timeout", said), said


HAPROXY = """
global
    maxconn 200
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    retries 3
    retry-on conn-failure empty-response
    http-reuse {reuse}
frontend f
    bind 127.0.0.1:{front}
    default_backend b
backend b
    server s 127.0.0.1:{back}
"""


@pytest.mark.parametrize("reuse", ["never", "safe", "always"])
def test_haproxy_in_front_reaches_every_site_on_kept_connections(server, reuse, tmp_path):
    """A pooled connection asked for another site's user ends as a stale one does, and HAProxy tries again."""
    front = server.spare_ports[0]
    (tmp_path / "haproxy.cfg").write_text(HAPROXY.format(reuse=reuse, front=front, back=server.ports["http"]))
    proxy = subprocess.Popen(["haproxy", "-db", "-f", str(tmp_path / "haproxy.cfg")], stderr=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL)
    try:
        def answers():
            try:
                Connection(front).close()
            except ConnectionRefusedError:
                return False
            return True
        poll(answers, "haproxy does not listen")
        kept = [Connection(front) for _ in range(4)]
        for turn in range(25):
            for number, connection in enumerate(kept):
                user = accounts.account((number + turn) % 4)
                who = Who.of(connection.get("/who.php", f"v{(number + turn) % 4}.test"))
                assert who.is_account(user), who
        for connection in kept:
            connection.close()
    finally:
        proxy.send_signal(signal.SIGTERM)
        proxy.wait(30)
@of_itk_too
def test_slow_reader_of_many_small_answers_gets_all_of_them(server):
    """Some 2,000 pipelined requests whose answers nobody reads for a while."""
    with server.connect() as connection:
        connection.socket.setblocking(False)
        data = request("/who.txt", "v0.test") * 1999 + request("/who.txt", "v0.test", close=True)
        sent = connection.socket.send(data)
        time.sleep(0.3)
        connection.socket.setblocking(True)
        connection.socket.settimeout(30)

        rest = threading.Thread(target=lambda: connection.socket.sendall(data[sent:]), daemon=True)
        rest.start()
        assert connection.rest().count(static_content(USER).encode()) == 2000
        rest.join(30)
