"""php-fpm's pools as php-fpm itself resolves them (`php-fpm -tt`), and which of them a virtual host sends PHP to."""
import glob
import os
import re
import subprocess

from . import accounts

PROGRAMS = ("/usr/sbin/php-fpm*", "/usr/local/sbin/php-fpm*", "/opt/remi/php*/root/usr/sbin/php-fpm",
            "/usr/bin/php-fpm*")
LINE = re.compile(r"^\[[^\]]*\] NOTICE: ?\t?(.*)$")
PROXIED = re.compile(r"(?:proxy:)?(?:unix:(?P<socket>[^|\s]+)\|)?fcgi://"
                     r"(?P<host>\[[^\]]*\]|[^:/\s\"]*)(?::(?P<port>\d+))?"
                     r"(?P<path>/[^\s\"]*)?", re.IGNORECASE)


class Pool:
    """One pool. `listen` as php-fpm has it; `settings`: (name, value) in order."""

    def __init__(self, name, program):
        self.name, self.program, self.settings = name, program, []

    def value(self, name, default=None):
        found = [value for key, value in self.settings if key == name and value != "undefined"]
        return found[-1] if found else default

    @property
    def user(self):
        return self.value("user")

    @property
    def group(self):
        return self.value("group") or accounts.primary_group(self.user or "")

    def chroot(self):
        return self.value("chroot") or None

    def lines(self):
        """Directives that say for mod_php what the pool says for its PHP. Raises ValueError for what none can say."""
        said = []
        for name, value in self.settings:
            option = re.match(r"(php_value|php_admin_value|env)\[(.*)\]$", name)
            if option:
                if re.search(r"[\n\r]", value):
                    raise ValueError("%s has a line break" % name)
                directive = "SetEnv" if option.group(1) == "env" else option.group(1)
                escaped = value.replace("\\", "\\\\").replace('"', '\\"')
                said.append('%s %s "%s"' % (directive, option.group(2), escaped))
        return said


def parse(said, program):
    """The pools in the output of `php-fpm -tt`."""
    pools, current = [], None
    for line in said.splitlines():
        found = LINE.match(line)
        text = found.group(1) if found else ""
        section = re.match(r"\[(.*)\]$", text)
        if section:
            current = None if section.group(1) == "global" else Pool(section.group(1), program)
            if current:
                pools.append(current)
        elif current and " = " in text:
            current.settings.append(tuple(text.split(" = ", 1)))
    return pools


def programs(named):
    """[(program, configuration or None)]: those named as PROGRAM[=CONFIGURATION], else all that are installed."""
    if named:
        return [(entry.partition("=")[0], entry.partition("=")[2] or None) for entry in named]
    found = {os.path.realpath(path): None for pattern in PROGRAMS for path in sorted(glob.glob(pattern))}
    return sorted(found.items())


def find(named):
    """(pools, complaints): what every php-fpm says, and one line about each that says nothing."""
    pools, complaints = [], []
    for program, configuration in programs(named):
        command = [program, "-tt"] + (["-y", configuration] if configuration else [])
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=60)
        except (OSError, subprocess.TimeoutExpired) as error:
            complaints.append("%s -tt: %s" % (program, error))
            continue
        said = done.stdout.decode("utf-8", "surrogateescape")
        if done.returncode != 0:
            complaints.append("%s -tt fails: %s" % (program, (said.strip().splitlines() or ["no reason given"])[-1]))
        else:
            pools += parse(said, program)
    return pools, complaints


def _addresses(listen):
    """What `listen` may be called in httpd's words: a socket's path, or host:port."""
    if listen.startswith("/"):
        return {os.path.realpath(listen)}
    host, _, port = listen.rpartition(":")
    if host in ("", "*", "0.0.0.0", "[::]"):
        return {"%s:%s" % (name, port) for name in ("127.0.0.1", "localhost", "[::1]")}
    return {"%s:%s" % (host, port)} | ({"localhost:%s" % port} if host in ("127.0.0.1", "[::1]") else set())


class Sent:
    """A directive that sends requests to FastCGI: where to, and which pool that is (None: no php-fpm has it)."""

    def __init__(self, directive, address, path, pool):
        self.directive, self.address, self.path, self.pool = directive, address, path, pool


def sent(directive, pools):
    """What a directive sends to FastCGI, or None."""
    if not directive.is_called("sethandler", "proxypass", "proxypassmatch", "rewriterule", "addhandler"):
        return None
    found = PROXIED.search(directive.arguments)
    if not found:
        return None
    address = found.group("socket") or "%s:%s" % (found.group("host"), found.group("port") or "8000")
    wanted = os.path.realpath(address) if address.startswith("/") else address
    pool = [one for one in pools if wanted in _addresses(one.value("listen", ""))]
    return Sent(directive, address, found.group("path") or "", pool[0] if pool else None)
