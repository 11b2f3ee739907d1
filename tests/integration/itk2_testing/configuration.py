"""From a few words to an httpd.conf: the same for every kind of server save the lines that choose the kind."""
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

KINDS = ("prefork", "itk", "itk2")
MODULES = ("authn_core", "authz_core", "authz_host", "dir", "mime", "alias", "env", "setenvif", "status", "headers",
           "rewrite",
           "ssl", "socache_shmcb")
REPOSITORY = Path(__file__).resolve().parents[3]


def libexecdir():
    return Path(subprocess.run(["apxs", "-q", "LIBEXECDIR"], check=True, text=True, capture_output=True,
                               timeout=30).stdout.strip())


def php_module():
    """Debian's mod_php; its absence is an error."""
    found = sorted(libexecdir().glob("libphp*.so"))
    assert found, "no libphp*.so: install libapache2-mod-php"
    return found[-1]


def itk2_module():
    """The module under test: ITK2_MODULE, else the one built in this tree; its absence is an error, never a skip."""
    named = os.environ.get("ITK2_MODULE")
    if named:
        assert Path(named).is_file(), f"ITK2_MODULE names {named}, which is not there"
        return Path(named).resolve()
    found = sorted(REPOSITORY.glob("build*/.libs/mod_mpm_itk2.so")) + sorted(REPOSITORY.glob(".libs/mod_mpm_itk2.so"))
    assert found, "no mod_mpm_itk2.so: build it, or set ITK2_MODULE"
    return max(found, key=lambda path: path.stat().st_mtime)


def itk2_listener():
    """The listener's program that belongs to the module under test."""
    beside = itk2_module().parent
    return next(place / "itk2-listener" for place in (beside, beside.parent) if (place / "itk2-listener").exists())


@dataclass
class Site:
    """One virtual host, on the plain and on the TLS port; or on one port of its own, as its lines make it."""
    name: str
    docroot: Path
    identity: str = ""    # "user group"; empty: as the server's User
    lines: tuple = ()     # further lines inside both <VirtualHost>s
    port: str = ""        # instead of both: "@PORT0@" for a port that Plan.listen names


@dataclass
class Plan:
    """A server to be: the kind, the sites, and whatever lines a test adds."""
    kind: str
    sites: list
    lines: tuple = ()          # server-wide
    modules: tuple = ()        # further modules of httpd, by name: "cgi", "remoteip"
    load: tuple = ()           # further LoadModule lines, whole
    user: str = ""             # "user group" of the server; empty: www-data, for prefork the first site's
    php: bool = True
    tls: bool = True
    ipv6: bool = True
    listen: tuple = ()         # further Listen lines' arguments; @PORT0@ and @PORT1@ are free ports
    limits: dict = field(default_factory=dict)  # MaxRequestWorkers and the like

    def text(self, directory, ports, tree):
        return "\n".join(self._lines(directory, ports, tree)) + "\n"

    def _lines(self, directory, ports, tree):
        yield from (f'ServerRoot "{directory}"', f"PidFile {directory}/httpd.pid", f"DefaultRuntimeDir {directory}",
                    "ServerName localhost", "ServerTokens Prod", f"ErrorLog {directory}/error.log", "LogLevel notice")
        yield from self._loads()
        yield from (f"Listen {address}" for address in self._addresses(ports))
        yield from self._base(directory)
        yield from (f"{name} {value}" for name, value in self._limits().items())
        if self.kind == "itk2" and self.sites[0].identity.startswith("itk2t"):
            yield f"ShowStatusTo {self.sites[0].identity.split()[0]}"  # whom Instance.server_status() asks
        yield from self.lines
        if self.tls:
            yield from (f"SSLSessionCache shmcb:{directory}/ssl(512000)", f"SSLCertificateFile {tree.certificate}",
                        f"SSLCertificateKeyFile {tree.key}")
        for site in self.sites:
            yield from self._vhost(site, site.port or ports["http"], tls=False)
            if self.tls and not site.port:
                yield from self._vhost(site, ports["https"], tls=True)

    def _loads(self):
        directory = libexecdir()
        if self.kind == "itk2":
            yield f"LoadModule mpm_itk2_module {itk2_module()}"
        else:
            yield f"LoadModule mpm_prefork_module {directory}/mod_mpm_prefork.so"
        for name in (*MODULES, *self.modules):
            if name not in ("ssl", "socache_shmcb") or self.tls:
                yield f"LoadModule {name}_module {directory}/mod_{name}.so"
        if self.php:
            yield f"LoadModule php_module {php_module()}"
            yield '<FilesMatch "\\.php$">\nSetHandler application/x-httpd-php\n</FilesMatch>'
        if self.kind == "itk":
            yield f"LoadModule mpm_itk_module {directory}/mpm_itk.so"
        yield from self.load

    def _addresses(self, ports):
        for port in [ports["http"]] + ([ports["https"]] if self.tls else []):
            yield f"127.0.0.1:{port}"
            if self.ipv6:
                yield f"[::1]:{port}"
        yield from self.listen

    def _base(self, directory):
        user, group = (self.user or (self.kind == "prefork" and self.sites[0].identity) or "www-data www-data").split()
        yield from (f"User {user}", f"Group {group}", "KeepAlive On", "MaxKeepAliveRequests 0", "KeepAliveTimeout 60",
                    "Timeout 30",
                    "TypesConfig /etc/mime.types", "DirectoryIndex index.html index.php", "ExtendedStatus On",
                    'LogFormat "%h %l %u %t \\"%r\\" %>s %B" common', f"CustomLog {directory}/access.log common",
                    '<Directory "/">\nRequire all granted\nAllowOverride All\nOptions FollowSymLinks\n</Directory>',
                    "<Location /server-status>\nSetHandler server-status\n</Location>")

    def _limits(self):
        return {"StartServers": 4, "MinSpareServers": 4, "MaxSpareServers": 16, "ServerLimit": 150,
                "MaxRequestWorkers": 150} | self.limits

    def _vhost(self, site, port, tls):
        yield f"<VirtualHost *:{port}>"
        yield f"ServerName {site.name}"
        yield f"DocumentRoot {site.docroot}"
        if tls:
            yield "SSLEngine on"
        if site.identity and self.kind != "prefork":
            yield f"AssignUserID {site.identity}"
        yield from site.lines
        yield "</VirtualHost>"
