"""Before with Debian's mpm-itk, after with mpm-itk2: the same sites answer as the same users."""
import http.client
import os
import pwd
import re
import signal
import socket
import subprocess

import pytest

from migrating import LIBEXECDIR, PREFORK, STOCK, USERS, configured, modules  # noqa: F401 (fixtures)

from itk2_testing.instance import free_ports
from itk2_testing.waiting import poll

WHO = '<?php preg_match("/^Uid:\\s+(\\d+)/m", file_get_contents("/proc/self/status"), $m); echo "uid ", $m[1];'
PHP = (f"\nTypesConfig /etc/mime.types\nLoadModule php_module {LIBEXECDIR}/libphp8.2.so\n"
       f"LoadModule cgi_module {LIBEXECDIR}/mod_cgi.so\n"
       '<FilesMatch "\\.php$">\nSetHandler application/x-httpd-php\n</FilesMatch>\n'
       '<Directory "/">\nRequire all granted\n</Directory>')


class Served:
    """A server of a configuration, for as long as the with statement lasts; ended by pid."""

    def __init__(self, configuration, port):
        self.configuration, self.port, self.process = configuration, port, None

    def __enter__(self):
        self.process = subprocess.Popen(["apache2", "-f", str(self.configuration.main), "-D", "FOREGROUND"],
                                        env={"PATH": os.environ["PATH"]}, start_new_session=True,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        poll(self._answers, lambda: (self.configuration.root / "logs/error.log").read_text(), deadline=20)
        return self

    def _answers(self):
        assert self.process.poll() is None, "httpd ended: " + (self.configuration.root / "logs/error.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return True

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)

    def who(self, host):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", "/who.php", headers={"Host": host, "Connection": "close"})
            body = connection.getresponse().read().decode()
        finally:
            connection.close()
        found = re.fullmatch(r"uid (\d+)", body)
        assert found, body
        return pwd.getpwuid(int(found.group(1))).pw_name


def sites(port, *lines_of_each):
    lines = [f"Listen 127.0.0.1:{port}"]
    for number, own in enumerate(lines_of_each):
        lines += [f"<VirtualHost 127.0.0.1:{port}>", f"ServerName v{number}.test", *own, "</VirtualHost>"]
    return "\n".join(lines)


@pytest.fixture
def port():
    return free_ports(1)[0]


def test_sites_of_mpm_itk_answer_as_the_same_users_after_the_move_and_after_undo(configured, port):
    own = [[f"AssignUserID {user} {user}"] for user in USERS] + [[]]
    configuration = configured(sites(port, *own), {"www/who.php": WHO}, load=STOCK + PHP)
    expected = USERS + ["www-data"]
    with Served(configuration, port) as before:
        assert [before.who(f"v{number}.test") for number in range(5)] == expected
    run = configuration.migrate("--write")
    assert run.status == 0, run.decisions() + [run.err]
    with Served(configuration, port) as after:
        assert [after.who(f"v{number}.test") for number in range(5)] == expected
    assert configuration.undo(run.report["backup"]).status == 0
    with Served(configuration, port) as again:
        assert [again.who(f"v{number}.test") for number in range(2)] == expected[:2]


def test_sites_of_mod_ruid2_answer_as_the_users_that_were_reported(configured, port):
    own = [["RMode config", f"RUidGid {USERS[0]} {USERS[0]}"], ["RMode stat", "DocumentRoot @/owned"], []]
    configuration = configured(sites(port, *own), {"www/who.php": WHO, "owned/who.php": WHO},
                               load=f"{PREFORK}\nLoadModule ruid2_module {LIBEXECDIR}/mod_ruid2.so{PHP}")
    configuration.main.write_text(configuration.main.read_text().replace("@", str(configuration.root)))
    user = pwd.getpwnam(USERS[1])
    os.chown(configuration.root / "owned", user.pw_uid, user.pw_gid)
    run = configuration.migrate("--write")
    assert run.status == 0, run.decisions() + [run.err]
    with Served(configuration, port) as after:
        for number, name in enumerate((USERS[0], USERS[1], "www-data")):
            assert after.who(f"v{number}.test") == name == run.hosts()[f"v{number}.test"]["under_itk2"]["user"]
