"""Debian roots: minimal ones, made once from this machine's apt sources, and copies that live in memory for one test.

Needs mount, pid and network namespaces of its own (see run): nothing here touches the machine.
"""
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import zlib
from pathlib import Path

CACHE_DAYS = 7
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
INCLUDED = ["python3"]
OFFERED = ["apache2", "libapache2-mod-php", "libapache2-mpm-itk", "adduser", "curl", "libcap-ng0", "sudo"]
MAILERS = {"exim": "exim4-daemon-light", "postfix": "postfix"}  # a system has one
NODES = ["null", "zero", "random", "urandom", "full"]
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root",
               "DEBIAN_FRONTEND": "noninteractive"}
APT = ["apt-get", "-q", "-y", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Options::=--force-unsafe-io",
       "-o", "APT::Install-Recommends=false"]


def release():
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)["VERSION_CODENAME"].strip('"')


def cached_tarball():
    """Outside the source tree; by another name where what it is made of has changed."""
    made_by = zlib.crc32(Path(__file__).read_bytes())
    return Path(os.environ.get("TMPDIR", "/tmp")) / f"itk2-debian-{release()}-{made_by:08x}.tar"


def own_sources():
    """The apt sources of this machine that offer this release, as one-line entries."""
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
                            check=True, capture_output=True, text=True).stdout
    signed = f"[signed-by={KEYRING}] " if os.path.exists(KEYRING) else ""
    offers = [line.split() for line in listed.splitlines()]
    return sorted({f"deb {signed}{site} {suite} {component}" for site, suite, component in offers
                   if suite.split("-")[0] == release() and component == "main"})


def own_proxies():
    listed = subprocess.run(["apt-config", "dump"], check=True, capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if line.lower().startswith(("acquire::http::proxy", "acquire::https::proxy"))]


def versions(package):
    """All that the sources offer, newest first."""
    listed = subprocess.run(["apt-cache", "madison", package], check=True, capture_output=True, text=True).stdout
    return list(dict.fromkeys(line.split("|")[1].strip() for line in listed.splitlines()))


def php():
    """php8.2, or what the release has."""
    listed = subprocess.run(["apt-cache", "depends", "libapache2-mod-php"], check=True, capture_output=True, text=True).stdout
    return re.search(r"libapache2-mod-(php[\d.]+)", listed)[1]


def httpd_at(version):
    return [f"{name}={version}" for name in ("apache2", "apache2-bin", "apache2-data", "apache2-utils")]


def php_at(version):
    return [f"{name}={version}" for name in
            (f"libapache2-mod-{php()}", *(f"{php()}-{part}" for part in ("common", "cli", "opcache", "readline")))]


def wanted_files():
    """What a root has to be able to install without a network: the newest of everything, and the oldest httpd and PHP."""
    yield OFFERED
    for mailer in MAILERS.values():
        yield [mailer]
    yield httpd_at(versions("apache2")[-1])
    yield [*php_at(versions(f"libapache2-mod-{php()}")[-1]), *httpd_at(versions("apache2")[-1])]


def make_tarball(scratch):
    """In memory, but for the result: dpkg waits for the disk after every file."""
    mount("-t", "tmpfs", "tmpfs", scratch)
    downloads = [f"APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get install -d -q -y --no-install-recommends {' '.join(packages)}"
                 for packages in wanted_files()]
    command = ["mmdebstrap", "--variant=minbase", "--dpkgopt=force-unsafe-io", "--skip=cleanup/apt", f"--include={','.join(INCLUDED)}",
               '--aptopt=APT::Install-Recommends "false"', *[f"--aptopt={proxy}" for proxy in own_proxies()],
               *[f"--customize-hook={download}" for download in downloads], release(), f"{scratch}/root.tar", *own_sources()]
    subprocess.run(command, check=True, env={**os.environ, "TMPDIR": scratch})
    for old in cached_tarball().parent.glob(f"itk2-debian-{release()}-*.tar"):
        old.unlink()
    with tempfile.NamedTemporaryFile(dir=cached_tarball().parent, delete=False) as partial, open(f"{scratch}/root.tar", "rb") as made:
        shutil.copyfileobj(made, partial)
    os.rename(partial.name, cached_tarball())


def have_tarball():
    """Whether an earlier run has left one that is ours, and not old."""
    try:
        found = os.lstat(cached_tarball())
    except FileNotFoundError:
        return False
    ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
    return ours and time.time() - found.st_mtime < CACHE_DAYS * 86400


class Root:
    """A root to chroot into: what is below it stays as it is, what is changed goes into a layer of its own."""

    def __init__(self, place, below, log):
        self.layer, self.log = place / "layer", log
        self.below = below
        self.path = place / "root"
        for directory in (self.layer, place / "work", self.path):
            directory.mkdir(parents=True)
        lower = ":".join(str(layer) for layer in below)
        mount("-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={self.layer},workdir={place / 'work'}", self.path)
        mount("-t", "proc", "proc", self.path / "proc")
        for node in NODES:
            (self.path / "dev" / node).touch()
            mount("--bind", f"/dev/{node}", self.path / "dev" / node)
        self.write("/etc/hosts", f"127.0.0.1 localhost {socket.gethostname()}\n")

    def layers(self):
        return [self.layer, *self.below]

    def close(self):
        self.end_processes()
        for node in NODES:
            subprocess.run(["umount", "-l", self.path / "dev" / node], check=False)
        subprocess.run(["umount", "-l", self.path / "proc"], check=False)
        subprocess.run(["umount", "-l", self.path], check=True)

    def end_processes(self):
        """Kills what still runs in this root, and nothing else: /proc is that of a pid namespace of our own."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(process / "root") == str(self.path):
                    os.kill(int(process.name), signal.SIGKILL)
            except OSError:
                continue

    def run(self, *command, good=True, **environment):
        """Runs it in the root; (status, output). good: fails the test where it fails."""
        begin = time.monotonic()
        done = subprocess.run(["chroot", self.path, *command], env={**ENVIRONMENT, **environment}, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600,
                              check=False, errors="replace")
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(f"# {' '.join(map(str, command))}: {done.returncode}, {time.monotonic() - begin:.1f} s\n{done.stdout}\n")
        assert not good or done.returncode == 0, f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}"
        return done.returncode, done.stdout

    def apt(self, *arguments, good=True):
        return self.run(*APT, *arguments, good=good)

    def write(self, path, text, mode=0o644):
        file = self.path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)

    def exists(self, path):
        return os.path.lexists(self.path / path.lstrip("/"))


def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True)


if __name__ == "__main__":
    if not have_tarball():
        scratch_place = tempfile.mkdtemp(prefix="itk2-packages.")
        try:
            make_tarball(scratch_place)
        finally:
            subprocess.run(["umount", "-l", scratch_place], check=False)
            os.rmdir(scratch_place)
