"""The four servers that are compared: the same sites of the same users, the same files, the same limits, on loopback.

In prefork and in event, httpd itself is www-data for every site; so every file may be read by all.
"""
import os
import pwd
import subprocess
from pathlib import Path

from itk2_testing.configuration import Plan, Site
from itk2_testing.instance import Instance
from itk2_testing.waiting import poll

NAMES = {"prefork": "prefork", "itk": "prefork+mpm-itk", "event": "event+php-fpm", "itk2": "itk2"}
WORKERS = 400
PROCESSES = {"StartServers": 10, "MinSpareServers": 10, "MaxSpareServers": 64, "ServerLimit": WORKERS,
             "MaxRequestWorkers": WORKERS}
THREADS = {"StartServers": 2, "ThreadsPerChild": 25, "MinSpareThreads": 25, "MaxSpareThreads": 75,
           "ServerLimit": WORKERS // 25, "MaxRequestWorkers": WORKERS}
LINES = ("KeepAliveTimeout 300",)  # what is held is held until the row's end
HTTPD_USER = "www-data"
# One virtual host for all users' names; whose it is, each request tells.
FOUND_NAMES = ("UseCanonicalName Off", 'SetEnvIf Host "^([a-z0-9]+)[.]test" SITE=$1')
FOUND_USERS = ("AssignUserIDExpr %{reqenv:SITE}", "AssignGroupIDExpr %{reqenv:SITE}")
HELLO = '<?php header("Content-Type: text/plain"); echo "hello ", posix_geteuid(), "\\n";'


class EventPlan(Plan):
    """Plan of an httpd with event, whose PHP is elsewhere."""

    def text(self, directory, ports, tree):
        return super().text(directory, ports, tree).replace("mpm_prefork", "mpm_event")

    def _limits(self):
        return self.limits


def write_files(docroot, user, further=()):
    docroot.mkdir(parents=True)
    for name, content in (("1k.html", b"x" * 1024), ("hello.php", HELLO.encode()), *further):
        (docroot / name).write_bytes(content)
        os.chown(docroot / name, user.uid, user.gid)
        (docroot / name).chmod(0o644)
    os.chown(docroot, user.uid, user.gid)
    docroot.chmod(0o755)


class Fpm:
    """A php-fpm with a pool per user, each listening on a socket in `directory`."""

    def __init__(self, directory, users):
        found = sorted(Path("/usr/sbin").glob("php-fpm*"))
        assert found, "no php-fpm: install php-fpm"
        self.program, self.directory, self.users = found[-1], Path(directory), users
        self.process = None

    def start(self):
        lines = ["[global]", f"error_log = {self.directory}/fpm.log", "daemonize = no"]
        for user in self.users:
            lines += [f"[{user.name}]", f"user = {user.name}", f"group = {user.name}", f"listen = {self.socket(user)}",
                      f"listen.owner = {HTTPD_USER}", "listen.mode = 0600", "pm = ondemand", "pm.max_children = 40"]
        config = self.directory / "fpm.conf"
        config.write_text("\n".join(lines) + "\n")
        self.process = subprocess.Popen([self.program, "--fpm-config", config], stdout=subprocess.DEVNULL,
                                        stderr=(self.directory / "fpm.stderr").open("wb"), start_new_session=True)
        poll(lambda: os.path.exists(self.socket(self.users[-1])), "php-fpm does not start")

    def socket(self, user):
        return f"{self.directory}/{user.name}.sock"

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None


class Contender:
    """One of the four, with a site for each user. `lines`: further lines of the server."""

    def __init__(self, kind, tree, users, name="", lines=()):
        self.kind, self.name, self.users, self.fpm = kind, name or NAMES[kind], users, None
        directory = tree.root / (name or kind)
        sites = [Site(f"v{number}.test", tree.root / "bench" / user.name, self._identity(user),
                      self._lines(number, user)) for number, user in enumerate(users)]
        sites.append(Site("found.test", tree.root, "", self._found(tree.root / "bench"), "@PORT0@"))
        settings = {"listen": ("127.0.0.1:@PORT0@",), "sites": sites, "lines": (*LINES, *lines),
                    "user": f"{HTTPD_USER} {HTTPD_USER}"}
        if kind == "event":
            modules = ("vhost_alias", "proxy", "proxy_fcgi")
            plan = EventPlan(kind, php=False, modules=modules, limits=THREADS, **settings)
            self.fpm = Fpm(directory, users)
        else:
            plan = Plan(kind, modules=("vhost_alias",), limits=PROCESSES, **settings)
        self.server = Instance(plan, directory, tree)

    def _identity(self, user):
        return f"{user.name} {user.name}" if self.kind in ("itk", "itk2") else ""

    def _found(self, docroots):
        """PHP-FPM's pools can't be found by a request; there the row measures static files only."""
        users = FOUND_USERS if self.kind in ("itk", "itk2") else ()
        return (*FOUND_NAMES, f"VirtualDocumentRoot {docroots}/%1", *users)

    def _lines(self, number, user):
        lines = ("ServerAlias localhost",) if number == 0 else ()
        if self.kind == "event":
            lines += ('<FilesMatch "\\.php$">', f'SetHandler "proxy:unix:@DIR@/{user.name}.sock|fcgi://{user.name}"',
                      "</FilesMatch>")
        return lines

    def identity_uid(self, number):
        return pwd.getpwnam(HTTPD_USER).pw_uid if self.kind == "prefork" else self.users[number].uid

    def start(self):
        if self.fpm:
            self.fpm.start()
        self.server.start()
        for number in (0, len(self.users) - 1):
            uid = self.identity_uid(number)
            answer = self.server.get("/hello.php", f"v{number}.test")
            assert answer.body == f"hello {uid}\n".encode(), f"{self.name} answers {answer}, which is not uid {uid}"

    def stop(self):
        """Ends it, and gives what its error_log holds beyond the usual."""
        try:
            self.server.stop()
            return ""
        except AssertionError as unexpected:
            return str(unexpected)
        finally:
            self.destroy()

    def destroy(self):
        self.server.destroy()
        if self.fpm:
            self.fpm.stop()


