"""Roots with httpd, with PHP, with mpm-itk: made once, each one a layer over the one before; and the package under test."""
import fcntl
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import roots
import sites

# They want namespaces of their own: ./runtests packages.
collect_ignore_glob = [] if "ITK2_OWN_NAMESPACES" in os.environ else ["test_*.py"]

PACKAGE = "libapache2-mpm-itk2"
SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40
REQUIRED = "/etc/apache2/conf-enabled/mpm_itk2_required.conf"


def changed_package(package, scratch, name, control):
    """The package again, with its control file passed through a function."""
    place = scratch / name
    subprocess.run(["dpkg-deb", "-R", package, place], check=True)
    file = place / "DEBIAN/control"
    file.write_text(control(file.read_text(encoding="utf-8")), encoding="utf-8")
    made = scratch / f"{name}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", place, made], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(place)
    return made


@pytest.fixture(scope="session", autouse=True)
def loopback():
    """This network namespace's own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        fcntl.ioctl(asking, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP | IFF_RUNNING))


@pytest.fixture(scope="session")
def scratch():
    """In memory; gone with the mount namespace, whatever happens."""
    place = Path(tempfile.mkdtemp(prefix="itk2-packages."))
    roots.mount("-t", "tmpfs", "tmpfs", place)
    yield place
    subprocess.run(["umount", "-l", place], check=False)
    place.rmdir()


@pytest.fixture(scope="session")
def package():
    """The package that was built from this tree."""
    return next((Path(os.environ["ITK2_BUILT"]) / "first").glob(f"{PACKAGE}_*.deb"))


@pytest.fixture(scope="session")
def newer(package, scratch):
    """The package with a later version."""
    return changed_package(package, scratch, "newer", lambda text: re.sub(r"^(Version: .*)$", r"\1+1", text, flags=re.MULTILINE))


@pytest.fixture(scope="session")
def bare(scratch):
    """The layers of a root without httpd."""
    begin = time.monotonic()
    path = scratch / "bare"
    path.mkdir()
    subprocess.run(["tar", "-x", "-f", roots.cached_tarball(), "-C", path, "--exclude=./dev/*"], check=True)
    print(f"  a root of Debian {roots.release()}: {time.monotonic() - begin:.0f} s")
    return [path]


def allow_services(root, allowed):
    """Whether the scripts of packages may start and restart: without an init system that is policy-rc.d's to say."""
    root.write("/usr/sbin/policy-rc.d", f"#!/bin/sh\nexit {0 if allowed else 101}\n", 0o755)


def installed(scratch, below, name, *packages):
    """The layers of a root with these packages as well. Nothing is started in it."""
    root = roots.Root(scratch / name, below, Path(os.environ["ITK2_LOGS"]) / f"packages-debian-{name}.log")
    allow_services(root, False)
    root.apt("install", *packages)
    layers = root.layers()
    root.close()
    return layers


@pytest.fixture(scope="session")
def with_httpd(scratch, bare):
    return installed(scratch, bare, "httpd", "apache2")


@pytest.fixture(scope="session")
def with_php(scratch, with_httpd):
    return installed(scratch, with_httpd, "php", "libapache2-mod-php")


@pytest.fixture(scope="session")
def with_mpm_itk(scratch, with_php):
    return installed(scratch, with_php, "mpm-itk", "libapache2-mpm-itk")


class Host:
    """A root, its server, its sites."""

    def __init__(self, root, package):
        self.root, self.server, self.package = root, sites.Server(root), package
        self.sites = []
        allow_services(root, True)
        shutil.copy(package, root.path / "root" / package.name)

    def add_site(self, name, shape):
        self.sites.append(sites.Site(self.root, name, shape, 2000 + len(self.sites)))
        return self.sites[-1]

    def install(self, package=None, good=True):
        """The one command: apt install of the file."""
        package = package or self.package
        if not self.root.exists(f"/root/{package.name}"):
            shutil.copy(package, self.root.path / "root" / package.name)
        return self.step("install", f"/root/{package.name}", good=good)

    def step(self, *arguments, good=True):
        """One apt-get command; its output."""
        begin = time.monotonic()
        status, output = self.root.apt(*arguments, good=good)
        shown = " ".join(argument.rsplit("/", 1)[-1] for argument in arguments)
        print(f"    apt-get {shown}: {time.monotonic() - begin:.1f} s", flush=True)
        assert good or status != 0, f"apt-get {shown} should have failed"
        return output

    def enabled(self):
        """The modules that matter here."""
        names = {path.stem for path in (self.root.path / "etc/apache2/mods-enabled").glob("*.load")}
        return {name for name in names if name.startswith(("mpm_", "php"))}

    def restart(self):
        """As an administrator does it, who looks at nothing: whether it runs after that."""
        self.server.stop()
        return self.server.start(good=False)


@pytest.fixture
def host_on(scratch, package, request):
    """A function: layers -> Host."""
    opened = []

    def make(layers):
        name = request.node.name.replace("[", "-").rstrip("]")
        root = roots.Root(scratch / f"{name}-{len(opened)}", layers, Path(os.environ["ITK2_LOGS"]) / f"packages-debian-{name}.log")
        opened.append(Host(root, package))
        return opened[-1]

    yield make
    for host in opened:
        host.root.run("cat", "/var/log/apache2/error.log", good=False)
        host.root.close()
        shutil.rmtree(host.root.path.parent, ignore_errors=True)
