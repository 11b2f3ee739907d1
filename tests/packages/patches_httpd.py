"""httpd's own source, with the patches in it, built once with the MPM shared and once with it linked in."""
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from rpm_and_containers_root import TOP, ask, below, free_port

FEW_MODULES = ["--enable-modules=none", "--enable-so", "--disable-cgid",
               *(f"--enable-{name}=static" for name in ("unixd", "authz-core", "log-config", "mime", "dir", "cgi"))]


def say(*command, **options):
    options.setdefault("timeout", 1200)
    done = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-4000:]}"
    return done.stdout


class Unavailable(Exception):
    """httpd's source cannot be had here; says why."""


def unpack_named(named, place):
    """ITK2_HTTPD_SOURCE: an unpacked source, or a git directory (its branch 2.4.x, else what it is at)."""
    if (named / "server/mpm").is_dir():
        shutil.copytree(named, place, symlinks=True, ignore=shutil.ignore_patterns(".git"))
        return f"in {named}"
    git = ["git", "-C", str(named)]
    branch = "refs/heads/2.4.x"
    if subprocess.run([*git, "rev-parse", "-q", "--verify", branch], capture_output=True).returncode:
        branch = "HEAD"
    place.mkdir()
    say("sh", "-ec", f'git -C "$1" archive {branch} | tar x -C "$2"', "sh", str(named), str(place))
    return f"{branch} of {named}"


def unpack_debian(place):
    """By apt, from where the machine has its packages from, in lists of its own."""
    lists = place.parent / "apt"
    for folder in ("lists/partial", "parts"):
        (lists / folder).mkdir(parents=True)
    sources = [*Path("/etc/apt").glob("sources.list"), *Path("/etc/apt/sources.list.d").glob("*.list"),
               *Path("/etc/apt/sources.list.d").glob("*.sources")]
    for source in sources:
        text = re.sub(r"^deb ", "deb-src ", source.read_text(), flags=re.M)
        (lists / "parts" / source.name.replace("sources.list", "main.list")).write_text(
            re.sub(r"^Types:.*", "Types: deb-src", text, flags=re.M))
    apt = ["-o", "Dir::Etc::SourceList=/dev/null", "-o", f"Dir::Etc::SourceParts={lists}/parts", "-o",
           f"Dir::State::Lists={lists}/lists", "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=",
           "-o", "Acquire::Languages=none", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::Retries=0"]
    tried = []
    try:
        tried.append(say("apt-get", *apt, "update", timeout=60))
        versions = re.findall(r"^Version: (\S+)", say("apt-cache", *apt, "showsrc", "--only-source", "apache2"), re.M)
    except (AssertionError, subprocess.TimeoutExpired, FileNotFoundError) as why:
        raise Unavailable(f"apt has no sources: {str(why).splitlines()[-1]}") from why
    for version in sorted(set(versions), reverse=True):
        try:
            say("apt-get", *apt, "source", "--download-only", f"apache2={version}", cwd=lists, timeout=90)
        except (AssertionError, subprocess.TimeoutExpired) as why:
            tried.append(str(why))
            continue
        place.mkdir()
        say("tar", "xf", str(next(lists.glob("apache2_*.orig.tar.*z*"))), "-C", str(place), "--strip-components=1")
        return f"Debian's {version}"
    raise Unavailable(f"apt cannot get httpd's source: {tried[-1].strip().splitlines()[-1]}")


def unpack(place):
    named = os.environ.get("ITK2_HTTPD_SOURCE")
    if named and not Path(named).exists():
        raise Unavailable(f"ITK2_HTTPD_SOURCE: there is no {named}")
    return unpack_named(Path(named), place) if named else unpack_debian(place)


class Tree:
    """place/httpd: the patched source; place/build; place/shared and place/static: what was installed."""

    def __init__(self, place):
        self.place, self.source, self.build = place, place / "httpd", place / "build"
        self.came_from = unpack(self.source)
        self.series = place / "series"
        say(str(TOP / "patches/make-series"), str(self.series))
        self.pushed = say("quilt", "push", "-a", "--fuzz=0", cwd=self.source, env=self.quilt())
        say("./buildconf", "--with-apr=/usr/bin/apr-1-config", "--with-apr-util=/usr/bin/apu-1-config",
            cwd=self.source)
        self.build.mkdir()

    def quilt(self):
        return {**os.environ, "QUILT_PATCHES": str(self.series)}

    def configure(self, *arguments):
        return say("nice", "../httpd/configure", "-C", f"--prefix={self.place}/static", *FEW_MODULES,
                   "--with-apr=/usr/bin/apr-1-config", "--with-apr-util=/usr/bin/apu-1-config",
                   "CFLAGS=-O0", "CXXFLAGS=-O1", *arguments, cwd=self.build)

    def make(self, *arguments):
        return say("nice", "make", f"-j{os.cpu_count()}", *arguments, cwd=self.build)


class Sites:
    """Two sites of two users, served by one of the two."""

    users = {"one.test": 31011, "two.test": 31012}

    def __init__(self, place, httpd, load):
        self.place, self.httpd, self.port, self.server = place, httpd, free_port(), None
        place.mkdir(mode=0o755)
        lines = [f"ServerRoot {place}", f"Listen 127.0.0.1:{self.port}", "ServerName localhost", "PidFile httpd.pid",
                 "ErrorLog error.log", "User www-data", "Group www-data", "TypesConfig /dev/null", *load,
                 "<Directory />", "Require all granted", "Options +ExecCGI", "</Directory>"]
        for name, uid in self.users.items():
            folder = place / name
            folder.mkdir()
            for file, text, mode in (("private.txt", f"only {uid}\n", 0o600),
                                     ("who.cgi", "#!/bin/sh\necho; id -u\n", 0o700)):
                (folder / file).write_text(text)
                (folder / file).chmod(mode)
                os.chown(folder / file, uid, uid)
            os.chown(folder, uid, uid)
            folder.chmod(0o700)
            lines += [f"<VirtualHost *:{self.port}>", f"ServerName {name}", f"DocumentRoot {folder}",
                      f"AssignUserID #{uid} #{uid}", "AddHandler cgi-script .cgi", "</VirtualHost>"]
        self.config = place / "httpd.conf"
        self.config.write_text("\n".join(lines) + "\n")

    def command(self, *arguments):
        return [self.httpd, "-f", str(self.config), *arguments]

    def ask(self, *arguments, **options):
        return say(*self.command(*arguments), **options)

    def start(self, **options):
        self.server = subprocess.Popen(self.command("-DFOREGROUND"), stdin=subprocess.DEVNULL,
                                       stderr=open(self.place / "stderr", "w"), start_new_session=True, **options)

    def serves_each_as_its_user(self):
        for name, uid in self.users.items():
            answer = ask(self.port, name, "/private.txt", self.server)
            assert answer == (200, f"only {uid}\n"), f"{answer}\n{self.said()}"
            assert ask(self.port, name, "/who.cgi", self.server) == (200, f"{uid}\n")
        titles = [process.title for process in below(self.server.pid)]
        assert "itk2: listener 0" in titles, titles

    def graceful(self):
        before = self.said().count("resuming normal operations")
        self.server.send_signal(signal.SIGUSR1)
        end = time.monotonic() + 20
        while self.said().count("resuming normal operations") == before:
            assert time.monotonic() < end and self.server.poll() is None, self.said()
            time.sleep(0.05)

    def said(self):
        return "".join(file.read_text() for file in (self.place / "stderr", self.place / "error.log") if file.exists())

    def stop(self):
        if self.server is None:
            return
        if self.server.poll() is None:
            self.server.terminate()
        try:
            self.server.wait(30)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait(10)
