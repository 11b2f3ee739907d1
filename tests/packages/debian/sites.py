"""Sites of several users on one server, who answers for them, and a watcher that asks all the time."""
import http.client
import os
import re
import signal
import threading
import time
from collections import Counter

WWW_DATA = 33
PORT = 80
GOOD_CONFIGTEST = re.compile(r"^Syntax OK$", re.MULTILINE)


def within(*conditions):
    """AssignUserID inside nested IfModule sections."""
    opening = "".join(f"<IfModule {condition}>\n" for condition in conditions)
    return opening + "AssignUserID {user} {user}\n" + "</IfModule>\n" * len(conditions)


UNGUARDED = within()
SHAPES = {"plain": UNGUARDED, "by-module": within("mpm_itk_module"), "by-file": within("mpm_itk.c"),
          "nested": within("mpm_prefork_module", "mpm_itk_module"),
          "either": within("mpm_itk.c") + "<IfModule !mpm_itk.c>\n# prefork alone\n</IfModule>\n"}
AS_WWW_DATA = ""


def ask(host, path, timeout=5):
    """(status, body), or None where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Host": host, "Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Site:
    """One virtual host of one user. `private` may be read by the user only, `wrong` by www-data only."""

    def __init__(self, root, name, shape, uid):
        self.root, self.name, self.host, self.uid = root, name, f"{name}.test", uid
        root.run("useradd", "--uid", str(uid), "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", name)
        place = f"/srv/{name}"
        root.write(f"{place}/id.php", "<?php echo 'uid=', posix_geteuid();")
        for file, owner in (("private", name), ("wrong", "www-data")):
            root.write(f"{place}/{file}", f"{file} of {name}", mode=0o600)
            root.run("chown", owner, f"{place}/{file}")
        self.configure(shape)
        root.run("a2ensite", "-q", name)

    def configure(self, shape):
        self.root.write(f"/etc/apache2/sites-available/{self.name}.conf", f"""<VirtualHost *:{PORT}>
ServerName {self.host}
DocumentRoot /srv/{self.name}
<Directory /srv/{self.name}>
Require all granted
</Directory>
{shape.format(user=self.name)}</VirtualHost>
""")

    def php_uid(self):
        """The uid PHP has here, or None where nobody answers or nobody runs PHP."""
        answer = ask(self.host, "/id.php")
        found = re.fullmatch(r"uid=(\d+)", answer[1]) if answer and answer[0] == 200 else None
        return int(found[1]) if found else None

    def statuses(self):
        """Of the file only the user may read, and of the one only www-data may: (200, 403) is as it should be."""
        answers = [ask(self.host, path) for path in ("/private", "/wrong")]
        return tuple(answer[0] if answer else None for answer in answers)


class Server:
    def __init__(self, root):
        self.root = root

    def start(self, good=True):
        return self.root.run("apache2ctl", "start", good=good)[0] == 0 and self.await_answer()

    def stop(self):
        """By a signal: `apache2ctl stop` wants a configuration that can be read."""
        deadline = time.monotonic() + 20
        while (pid := self.pid()) and time.monotonic() < deadline:
            os.kill(pid, signal.SIGTERM)
            time.sleep(0.1)
        assert not self.pid(), "apache2 does not stop"

    def pid(self):
        """The master's, while it lives."""
        try:
            pid = int((self.root.path / "run/apache2/apache2.pid").read_text(encoding="utf-8"))
            os.kill(pid, 0)
            return pid
        except (OSError, ValueError):
            return None

    def await_answer(self, seconds=10):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if ask("nobody.test", "/", timeout=1):
                return True
            time.sleep(0.05)
        return False

    def configtest(self):
        return bool(GOOD_CONFIGTEST.search(self.root.run("apache2ctl", "configtest", good=False)[1]))

    def mpm(self):
        return self.root.run("a2query", "-M", good=False)[1].strip()

    def expect(self, mpm, sites, php=True):
        """The configuration is good, the MPM has that name, and every site is served as its user."""
        assert self.configtest(), self.root.run("apache2ctl", "configtest", good=False)[1]
        assert self.mpm() == mpm, self.mpm()
        assert self.await_answer(), "nobody answers"
        for site in sites:
            assert site.statuses() == (200, 403), f"{site.name}: {site.statuses()}"
            assert not php or site.php_uid() == site.uid, f"{site.name}: {site.php_uid()}"


class Watcher:
    """Asks every site in turn, all the time, and remembers who has answered."""

    def __init__(self, sites):
        self.sites, self.seen, self.wrong = sites, Counter(), []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def watch(self):
        begin = time.monotonic()
        while not self.over.is_set():
            for site in self.sites:
                php, read_as_www_data = site.php_uid(), site.statuses()[1] == 200
                self.seen["nobody" if php is None else php] += 1
                if php == WWW_DATA or read_as_www_data:
                    self.wrong.append((site.name, round(time.monotonic() - begin, 2)))
            time.sleep(0.005)

    def expect_no_www_data(self):
        assert not self.wrong, f"www-data answered (site, seconds): {self.wrong[:5]}, {len(self.wrong)} times"
        assert sum(self.seen.values()) > 0, "the watcher asked nobody"
