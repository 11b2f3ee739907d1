"""HAProxy and nginx in front of a test server, each with connections to it that requests of many clients share.

Pools: one for all sites, or one for each. The texts are what docs/MIGRATION.md recommends.
"""
import os
import random
import shutil
import signal
import socket
import subprocess
import threading

from .client import Broken, Connection, Who, request
from .instance import free_ports
from .waiting import poll

HAPROXY = """global
    maxconn 2000
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
frontend all
    bind 127.0.0.1:{port}
    use_backend {choice}
{backends}
"""
HAPROXY_BACKEND = """backend {name}
    http-reuse always
{retries}    server httpd 127.0.0.1:{httpd} pool-max-conn 100
"""
HAPROXY_RETRIES = """    retries 100
    retry-on empty-response
    http-request disable-l7-retry if METH_POST
"""
NGINX = """daemon off;
user www-data;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/answers;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 100000;
    map $host $pool {{ hostnames; default all; {choice} }}
{backends}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://$pool;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            {retries}
        }}
    }}
}}
"""
NGINX_BACKEND = "    upstream {name} {{ server 127.0.0.1:{httpd}; keepalive 32; }}\n"
NGINX_NO_RETRIES = "proxy_next_upstream off;"


class FrontProxy:
    """program: haproxy or nginx. sites: the names that have pools of their own; none: all share one."""

    def __init__(self, program, server, folder, sites=(), retries=True):
        self.program, self.folder = program, folder
        self.port, = free_ports(1)
        folder.mkdir()
        make = self._haproxy if program == "haproxy" else self._nginx
        (folder / "conf").write_text(make(server.ports["http"], ["all", *sites], retries))
        self.process = None

    def _haproxy(self, httpd, names, retries):
        choice = "%[req.hdr(host),lower]" if len(names) > 1 else "all"
        backends = "".join(HAPROXY_BACKEND.format(name=name, httpd=httpd, retries=HAPROXY_RETRIES if retries else "")
                           for name in names)
        return HAPROXY.format(port=self.port, choice=choice, backends=backends)

    def _nginx(self, httpd, names, retries):
        backends = "".join(NGINX_BACKEND.format(name=name, httpd=httpd) for name in names)
        choice = " ".join(f"{name} {name};" for name in names[1:])
        return NGINX.format(folder=self.folder, port=self.port, choice=choice, backends=backends,
                            retries="" if retries else NGINX_NO_RETRIES)

    def __enter__(self):
        program = shutil.which(self.program) or shutil.which(self.program, path="/usr/sbin")
        assert program, f"no {self.program}: install it"
        words = [program, "-db", "-f", self.folder / "conf"] if self.program == "haproxy" else \
            [program, "-p", self.folder, "-c", self.folder / "conf"]
        self.process = subprocess.Popen(words, stdout=(self.folder / "output").open("wb"), stderr=subprocess.STDOUT,
                                        start_new_session=True)
        poll(self._answers, lambda: (self.folder / "output").read_text())
        return self

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "output").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *_):
        os.kill(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(30)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)


class Clients:
    """Many clients at a port, each with one connection that it keeps (or a new one for each request), asking for one
    place after the other.

    places: (host, path, account). An answer that is none, or not 200 by the right user, is a failure.
    """

    def __init__(self, port, places, clients=10, requests=30, posts=0.0, kept=True):
        self.port, self.places, self.requests, self.posts, self.kept = port, places, requests, posts, kept
        self.failures, self.pids, self.answered = [], set(), 0
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def start(self):
        for thread in self._threads:
            thread.start()
        return self

    def run(self):
        return self.start().finish()

    def finish(self):
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), "a client does not end"
        return self

    def _run(self, number):
        order, connection = random.Random(number), None
        for _ in range(self.requests):
            host, path, user = order.choice(self.places)
            method, body = ("POST", b"a=b") if order.random() < self.posts else ("GET", b"")
            try:
                connection = connection or Connection(self.port)
                answer = connection.send(request(path, host, method, body=body)).answer()
                who = Who.of(answer)
                assert who.is_account(user), f"{who} and not {user}"
                failure = None
            except (Broken, OSError, AssertionError) as error:
                failure = f"{method} {host}{path}: {type(error).__name__}: {str(error)[:200]}"
            with self._lock:
                if failure:
                    self.failures.append(failure)
                else:
                    self.answered += 1
                    self.pids.add(who.pid)
            if connection and (failure or not self.kept or not answer.keeps()):
                connection.close()
                connection = None
        if connection:
            connection.close()
