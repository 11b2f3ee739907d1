"""What the packages tell systemd of the service: the server works with exactly that, the strict example names no
capability too many, and systemd understands both and thinks of them what the documentation says."""
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from itk2_testing import accounts, as_service, cgroups, proc
from itk2_testing.client import Who
from itk2_testing.configuration import Plan

TOP = Path(__file__).resolve().parents[2]
INSTALLED, OF_RPM = TOP / "debian/systemd/mpm-itk2.conf", TOP / "rpm/httpd.service.conf"
STRICT = TOP / "docs/examples/mpm-itk2-strict.conf"
FILES = {"what is installed": (INSTALLED,), "with the strict example": (INSTALLED, STRICT),
         "in another order": (STRICT, INSTALLED)}
NEEDS = sorted(as_service.bounding_set(as_service.settings([STRICT])))
UNIT = Path("/lib/systemd/system/apache2.service")
OTHER = accounts.account(5)


def low_port():
    """One that only CAP_NET_BIND_SERVICE opens."""
    for port in range(700, 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port below 1000 is free")


@pytest.fixture
def made(servers, tree, tmp_path):
    """made(files, without): a server that uses all that needs a capability, not yet started."""
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) < 700:
        pytest.skip("every port here is anybody's")
    logs = tree.root / "logs-of-a-user"
    logs.mkdir(exist_ok=True)
    os.chown(logs, OTHER.uid, OTHER.gid)
    logs.chmod(0o700)

    def make(files, without=""):
        sites = servers.user_sites(3)
        sites[2].lines = ("PoolMemoryMax 128M",)
        sites[1].lines = ("NiceValue -1", f"CustomLog {logs}/access.log common")
        sites[0].lines = (f"Alias /inner {tree.docroot(OTHER)}",
                          f'<Location "/inner">\nAssignUserID {OTHER.name} {OTHER.name}\n</Location>')
        server = servers.make(Plan("itk2", sites, listen=(f"127.0.0.1:{low_port()}",)))
        server.wrapper = (sys.executable, str(TOP / "tests/integration/itk2_testing/as_service.py"),
                          *map(str, files), "--")
        server.further_environment = {"ITK2_TEST_WITHOUT": without}
        return server
    return make


@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_the_server_works_with_what_systemd_is_told(made, files):
    server = made(files).start()
    for number in range(3):
        for tls in (False, True):
            said = Who.of(server.get("/who.php", f"v{number}.test", tls=tls))
            assert said.is_account(accounts.account(number))
    assert Who.of(server.get("/inner/who.php", "v0.test")).is_account(OTHER)
    server.graceful()
    assert Who.of(server.get("/inner/who.php", "v0.test")).is_account(OTHER)
    limited = Who.of(server.get("/who.php", "v2.test")).pid
    assert cgroups.limit(limited, "memory") == str(128 << 20)
    kept = sum(1 << number for number, name in enumerate(as_service.CAPABILITIES)
               if name in as_service.bounding_set(as_service.settings(files)))
    own = proc.Process.of(os.getpid()).status().bounding
    assert server.master.status().bounding == kept & own
    assert server.master.status().no_new_privs == 0


@pytest.mark.parametrize("name", NEEDS)
def test_without_a_capability_of_the_strict_example_it_does_not_start(made, name):
    server = made(FILES["with the strict example"], without=name)
    server.allow("ITK2813: this server lacks CAP_" + name.upper(), "AH00015: Unable to open logs",
                 r"\(13\)Permission denied: .*could not open transfer log")
    done = server.try_start()
    assert done.returncode != 0, done
    assert not server.resumed()


@pytest.mark.parametrize("instead", ["CAP_CHECKPOINT_RESTORE", ""], ids=["another-instead", "none-instead"])
def test_without_parsers_it_works_without_the_greatest_capability(made, tmp_path, instead):
    file = tmp_path / "mpm-itk2-strict.conf"
    file.write_text(STRICT.read_text().replace("CAP_SYS_ADMIN", instead))
    server = made([INSTALLED, file])
    server.allow("ITK2024: ")  # what it is for besides
    server.plan.sites[0].lines = ()
    server.write_config()
    server.start()
    for number in range(3):
        assert Who.of(server.get("/who.php", f"v{number}.test")).is_account(accounts.account(number))


def settings_of(file):
    return {setting for setting in as_service.settings([file]) if setting[0] != "Environment"}


def test_both_packages_tell_the_same():
    assert settings_of(INSTALLED) == settings_of(OF_RPM) and len(settings_of(INSTALLED)) > 5


class Unit:
    """A copy of Debian's unit with drop-ins, to ask systemd-analyze about."""

    def __init__(self, folder, *files):
        self.folder = folder
        (folder / "apache2.service.d").mkdir(parents=True)
        shutil.copy(UNIT, folder)
        for file in files:
            shutil.copy(file, folder / "apache2.service.d")

    def analyze(self, *arguments):
        return subprocess.run(["systemd-analyze", *arguments, "./apache2.service"], cwd=self.folder, text=True,
                              capture_output=True, timeout=60,
                              env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8",
                                   "SYSTEMD_UNIT_PATH": f"{self.folder}:"})

    def complaints(self):
        done = self.analyze("verify")
        return done.stdout + done.stderr

    def exposure(self):
        said = self.analyze("security", "--offline=true", "--no-pager").stdout
        return re.search(r"Overall exposure level for apache2.service: ([\d.]+)", said).group(1)


@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_systemd_understands_it(tmp_path, files):
    assert Unit(tmp_path, *files).complaints() == ""


def test_systemd_is_heard_where_it_does_not_understand(tmp_path):
    """The control."""
    wrong = tmp_path / "wrong.conf"
    wrong.write_text("[Service]\nProtectKernelLog=yes\n")
    assert "ProtectKernelLog" in Unit(tmp_path / "unit", wrong).complaints()


def test_the_documentation_quotes_what_systemd_says(tmp_path):
    page = (TOP / "docs/OPERATIONS.md").read_text()
    quoted = re.findall(r"^\| ([^|]*) \| (\d\.\d) \|$", page, re.M)
    assert [what for what, _ in quoted] == ["Debian's unit alone", "with what is installed", "with the strict example"]
    measured = [Unit(tmp_path / str(number), *files).exposure()
                for number, files in enumerate([(), FILES["what is installed"], FILES["with the strict example"]])]
    assert [score for _, score in quoted] == measured
