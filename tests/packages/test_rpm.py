"""The RPM packages: built by rpmbuild, installed into a root, and what they do to the httpd in there.

The httpd there is Debian's in the places of Fedora's and RHEL's, from a package of its own (rpm_stubs/), so that rpm
sees updates, triggers and removals as it would.
"""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rpm_and_containers_root import TOP, Root, ask, below, copy_of_sources, free_port, lacking, why_not

LACKING = lacking("rpmbuild", "rpmlint", "cpio", "bunzip2", "readelf", "checkmodule", "semodule_unpackage",
                  "systemd-sysusers")
pytestmark = pytest.mark.skipif(bool(LACKING), reason=LACKING)

STUBS = Path(__file__).parent / "rpm_stubs"
MODULES = Path("/usr/lib/apache2/modules")
SPEC = TOP / "rpm/mpm-itk2.spec"
MPM_CONF = "/etc/httpd/conf.modules.d/00-mpm.conf"
LEFT_BEHIND = "/etc/httpd/conf.d/itk2-removed.conf"
USERS = {"one.test": 31001, "two.test": 31002}


def say(*command, **options):
    options.setdefault("timeout", 900)
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """{name: file}: the packages, and the stand-in for httpd's in two versions."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    place = tmp_path_factory.mktemp("rpm")
    copy_of_sources(place / "sources")
    (place / "dist").mkdir()
    say("nice", "../sources/configure", "--quiet", cwd=place / "dist")
    say("make", "dist", cwd=place / "dist")
    tarball = next((place / "dist").glob("mpm-itk2-*.tar.xz"))
    say("nice", "rpmbuild", "-tb", "--nodeps", "--without", "check", "--load", str(STUBS / "macros.stubs"),
        "--define", f"_topdir {place}/built", str(tarball))
    libphp = next(MODULES.glob("libphp*.so")).name
    for minor in (1, 2):
        say("rpmbuild", "-bb", "--load", str(STUBS / "macros.stubs"), "--define", f"_topdir {place}/built",
            "--define", f"minor {minor}", "--define", f"stubs {STUBS}", "--define", f"debian {MODULES}",
            "--define", f"libphp {libphp}", "--define", "mmn 20120211x8664", str(STUBS / "httpd.rpmspec"))
    found = {}
    for file in (place / "built/RPMS").rglob("*.rpm"):
        found[re.sub(r"-\d+\.\d+\.?\d*-1.*", "", file.name) + ("-2" if "-2.4.2-" in file.name else "")] = file
    assert set(found) == {"mpm-itk2", "mpm-itk2-selinux", "httpd", "httpd-2"}, found
    return found


class Machine:
    """A root with the stand-in for httpd installed."""

    def __init__(self, place, packages):
        self.packages, self.root = packages, Root(place)
        self.root.make_folder("/var/lib/rpm")
        self.root.make_folder("/run/systemd/system")
        self.root.write("/usr/bin/systemctl", (STUBS / "systemctl").read_text(), 0o755)
        self.root.write("/usr/sbin/semodule", (STUBS / "semodule").read_text(), 0o755)
        self.root.make_folder("/packages")
        for name, file in packages.items():
            shutil.copy(file, self.root.upper / "packages" / f"{name}.rpm")
        self.rpm("-i", "httpd")
        self.port = free_port()
        self.root.write("/etc/httpd/conf/httpd.conf",
                        (STUBS / "httpd.conf").read_text().replace("@PORT@", str(self.port)))
        self.stock = self.root.read(MPM_CONF)

    def rpm(self, action, *names, options=(), check=True):
        arguments = [f"/packages/{name}.rpm" for name in names] if action != "-e" else names
        return self.root.run("rpm", "--dbpath", "/var/lib/rpm", "--nodeps", "--force-debian", *options, action,
                             *arguments, check=check).stdout

    def httpd(self, *arguments, check=True):
        return self.root.run("httpd", *arguments, check=check).stdout

    def loaded(self):
        return set(re.findall(r"^ (\w+)_module", self.httpd("-M"), re.M))

    def mpm(self):
        return re.search(r"^Server MPM: +(\w+)", self.httpd("-V"), re.M)[1]

    def told(self, program="systemctl"):
        file = self.root.upper / f"run/{program}-was-told"
        return file.read_text().splitlines() if file.exists() else []

    def log(self):
        file = self.root.upper / "var/log/httpd/error_log"
        return file.read_text() if file.exists() else ""

    def is_running(self):
        self.root.write("/run/httpd-is-active", "")

    def have_sites(self, guarded=False):
        """Two sites of two users with private files, their users named inside <IfModule> or not."""
        text = ""
        for name, uid in USERS.items():
            folder = f"/srv/{name}"
            self.root.make_folder("/srv")
            self.root.make_folder(folder, 0o700, uid)
            for file, content in {"private.txt": f"only {uid}\n", "who.php": "<?php echo posix_geteuid();"}.items():
                self.root.write(f"{folder}/{file}", content, 0o600, uid)
            user = f"AssignUserID #{uid} #{uid}"
            text += (f"<VirtualHost *:{self.port}>\nServerName {name}\nDocumentRoot {folder}\n"
                     + (f"<IfModule mpm_itk_module>\n{user}\n</IfModule>\n" if guarded else user + "\n")
                     + "AddHandler application/x-httpd-php .php\n</VirtualHost>\n")
        self.root.write("/etc/httpd/conf.d/sites.conf", text)


@pytest.fixture
def machine(packages, tmp_path):
    made = Machine(tmp_path, packages)
    yield made
    made.root.stop()


# -- the package as a file ---------------------------------------------------------------------------------------

def test_version_and_accounts_stand_in_two_places_and_are_the_same():
    version = re.search(r"AC_INIT\(\[mpm-itk2\], \[([^]]+)\]", (TOP / "configure.ac").read_text())[1]
    spec = SPEC.read_text()
    assert re.search(r"^Version: +(\S+)", spec, re.M)[1] == version
    assert (TOP / "rpm/sysusers.conf").read_text() in spec
    assert re.search(r"^%changelog\n\* .* - (\S+)-1$", spec, re.M)[1] == version


@pytest.mark.parametrize("distribution", ["rhel 8", "rhel 9", "rhel 10", "fedora 42"])
def test_spec_is_understood_for(distribution):
    wanted = say("rpmspec", "-q", "--buildrequires", "--load", str(STUBS / "macros.stubs"), "--define", distribution,
                 str(SPEC)).split("\n")
    whole = say("rpmspec", "-P", "--load", str(STUBS / "macros.stubs"), "--define", distribution, str(SPEC))
    assert "httpd-devel >= 2.4.37" in wanted
    assert ("gcc-toolset-13-gcc-c++" in wanted) == (distribution == "rhel 8")
    assert ("Mutex pthread" in whole) == (distribution == "rhel 8")
    assert ("libcmocka-devel" in wanted) == (distribution == "fedora 42")
    assert "-fexceptions" not in whole and "GLIBCXX_ASSERTIONS" not in whole


def test_rpmlint_has_nothing_to_say(packages, tmp_path):
    shutil.copy(TOP / "rpm/rpmlint.toml", tmp_path / "1.toml")
    shutil.copy(STUBS / "rpmlint.toml", tmp_path / "2.toml")
    said = say("rpmlint", "-c", str(tmp_path), str(SPEC), str(packages["mpm-itk2"]), str(packages["mpm-itk2-selinux"]))
    assert " 0 errors, 0 warnings" in said, said


def test_module_needs_no_cxx_library(packages, tmp_path):
    say("sh", "-c", f"rpm2cpio '{packages['mpm-itk2']}' | cpio -id --quiet", cwd=tmp_path)
    module = tmp_path / "usr/lib64/httpd/modules/mod_mpm_itk2.so"
    dynamic = say("readelf", "-dW", str(module))
    assert "libcap-ng.so" in dynamic and "libstdc++" not in dynamic
    undefined = say("nm", "-DuC", str(module)).split()
    assert not [name for name in undefined if name.startswith(("std::", "__gxx", "__cxa_th"))]
    assert "NOW" in dynamic


def test_what_it_requires(packages):
    requires = say("rpm", "-qp", "--requires", str(packages["mpm-itk2"]))
    assert "httpd-mmn = 20120211x8664" in requires and "httpd-filesystem" in requires
    assert re.search(r"\(mpm-itk2-selinux = \S+ if selinux-policy-targeted\)", requires)


# -- installed ----------------------------------------------------------------------------------------------------

FILES = {
    "/etc/httpd/conf.modules.d/00-itk2.conf": 0o100644,
    "/usr/lib64/httpd/modules/mod_mpm_itk2.so": 0o100755,
    "/usr/lib64/httpd/modules/itk2-listener": 0o100755,
    "/usr/lib/sysusers.d/mpm-itk2.conf": 0o100644,
    "/usr/lib/systemd/system/httpd.service.d/itk2.conf": 0o100644,
}


def test_install_swaps_the_mpm_and_erase_swaps_it_back(machine):
    assert machine.mpm() == "event" and {"cgid", "http2"} <= machine.loaded()
    machine.rpm("-i", "mpm-itk2")
    for path, mode in FILES.items():
        found = os.lstat(machine.root.upper / path.lstrip("/"))
        assert (found.st_mode, found.st_uid, found.st_gid) == (mode, 0, 0), path
    assert not machine.root.run("rpm", "--dbpath", "/var/lib/rpm", "-V", "--nodeps", "mpm-itk2").stdout
    passwd = machine.root.read("/etc/passwd")
    ids = {name: re.search(rf"^{name}:x:(\d+):(\d+):", passwd, re.M) for name in
           ("itk2-listener", "itk2-spare", "itk2-parser")}
    assert all(ids.values()) and len({found[1] for found in ids.values()}) == 3

    assert machine.mpm() == "itk"
    assert "Syntax OK" in machine.httpd("-t")
    loaded = machine.loaded()
    assert {"mpm_itk2", "mpm_prefork", "mpm_itk", "php", "cgi"} <= loaded
    assert not {"mpm_event", "mpm_worker", "cgid", "http2"} & loaded
    swapped = machine.stock.replace("\nLoadModule mpm_event", "\n#itk2# LoadModule mpm_event")
    assert machine.root.read(MPM_CONF) == swapped

    machine.rpm("-e", "mpm-itk2")
    assert machine.root.read(MPM_CONF) == machine.stock
    assert machine.mpm() == "event" and {"cgid", "http2"} <= machine.loaded()
    assert "Syntax OK" in machine.httpd("-t")
    assert not (machine.root.upper / LEFT_BEHIND.lstrip("/")).exists()
    assert not any((machine.root.upper / path.lstrip("/")).is_file() for path in FILES)


def test_installed_it_serves_each_site_as_its_user(machine):
    machine.rpm("-i", "mpm-itk2")
    machine.have_sites()
    server = machine.root.start("httpd", "-DFOREGROUND")
    for name, uid in USERS.items():
        private = ask(machine.port, name, "/private.txt", server)
        assert private == (200, f"only {uid}\n"), machine.root.said() + machine.log()
        assert ask(machine.port, name, "/who.php", server) == (200, str(uid))
    listener = pwd_entry(machine, "itk2-listener")
    processes = {(process.title, process.uid) for process in below(server.pid)}
    assert ("itk2: listener 0", listener) in processes, processes
    machine.root.stop()
    assert "ITK2001" in machine.log() and ":error]" not in machine.log(), machine.log()


def pwd_entry(machine, name):
    return int(re.search(rf"^{name}:x:(\d+):", machine.root.read("/etc/passwd"), re.M)[1])


def test_between_its_files_and_its_scriptlet_httpd_does_not_start(machine):
    machine.have_sites(guarded=True)
    machine.rpm("-i", "mpm-itk2", options=["--noscripts", "--notriggers"])
    assert "More than one MPM loaded" in machine.httpd("-t", check=False)


def test_between_its_files_and_the_scriptlet_of_erase_httpd_does_not_start(machine):
    machine.rpm("-i", "mpm-itk2")
    machine.have_sites(guarded=True)
    machine.rpm("-e", "mpm-itk2", options=["--noscripts", "--notriggers"])
    assert "No MPM loaded" in machine.httpd("-t", check=False)


def test_a_running_httpd_is_restarted_fully(machine):
    machine.is_running()
    machine.rpm("-i", "mpm-itk2")
    assert machine.told() == ["try-restart httpd.service"]
    machine.rpm("-e", "mpm-itk2")
    assert machine.told() == ["try-restart httpd.service"] * 2


def test_a_running_httpd_is_left_alone_where_it_would_not_start_again(machine):
    machine.is_running()
    machine.root.write("/etc/httpd/conf.d/broken.conf", "ThisIsNoDirective\n")
    said = machine.rpm("-i", "mpm-itk2")
    assert not machine.told()
    assert "goes on with the MPM it has" in said and "ThisIsNoDirective" in said


def test_a_httpd_that_does_not_run_is_not_started(machine):
    machine.rpm("-i", "mpm-itk2")
    machine.rpm("-e", "mpm-itk2")
    assert not machine.told()


@pytest.mark.parametrize("guarded", [True, False])
def test_erased_under_sites_that_name_users_no_site_runs_as_another(machine, guarded):
    machine.is_running()
    machine.rpm("-i", "mpm-itk2")
    machine.have_sites(guarded)
    said = machine.rpm("-e", "mpm-itk2")
    assert machine.told() == ["try-restart httpd.service"], "the one after installing"
    assert "goes on with the MPM it has" in said
    assert "AssignUserID" in machine.httpd("-t", check=False) and machine.root.read(MPM_CONF) == machine.stock
    machine.rpm("-i", "mpm-itk2")
    assert "Syntax OK" in machine.httpd("-t") and machine.mpm() == "itk"
    assert not (machine.root.upper / LEFT_BEHIND.lstrip("/")).exists()


def test_prefork_chosen_by_hand_is_swapped_and_comes_back(machine):
    chosen = machine.stock.replace("#LoadModule mpm_prefork", "LoadModule mpm_prefork") \
                          .replace("\nLoadModule mpm_event", "\n  #loadmodule mpm_event")
    machine.root.write(MPM_CONF, chosen)
    assert machine.mpm() == "prefork"
    machine.rpm("-i", "mpm-itk2")
    assert machine.mpm() == "itk"
    assert "AH01574" not in machine.httpd("-t"), "prefork's own LoadModule is not met again"
    machine.rpm("-e", "mpm-itk2")
    assert machine.root.read(MPM_CONF) == chosen and machine.mpm() == "prefork"


def test_an_update_of_httpd_brings_no_other_mpm_back(machine):
    machine.rpm("-i", "mpm-itk2")
    machine.rpm("-U", "httpd-2")
    assert machine.mpm() == "itk"
    assert "changed by an update" in machine.root.read(MPM_CONF + ".rpmnew")


def test_a_fresh_00_mpm_conf_brings_no_other_mpm_back(machine):
    machine.rpm("-i", "mpm-itk2")
    machine.root.run("rm", MPM_CONF)
    machine.rpm("-U", "httpd-2")
    assert "#itk2# LoadModule mpm_event" in machine.root.read(MPM_CONF)
    assert machine.mpm() == "itk"


def test_an_update_of_itself_changes_nothing_but_restarts(machine):
    machine.is_running()
    machine.rpm("-i", "mpm-itk2")
    before = machine.root.read(MPM_CONF)
    machine.rpm("-U", "mpm-itk2", options=["--force"])
    assert machine.root.read(MPM_CONF) == before and machine.mpm() == "itk"
    assert machine.told() == ["try-restart httpd.service"] * 2


# -- SELinux ------------------------------------------------------------------------------------------------------

def test_policy_module_is_loaded_and_unloaded(machine):
    machine.rpm("-i", "mpm-itk2", "mpm-itk2-selinux")
    policy = "/usr/share/selinux/packages/targeted/itk2.pp.bz2"
    assert machine.told("semodule") == [f"-n -s targeted -X 200 -i {policy}"]
    assert (machine.root.upper / policy.lstrip("/")).is_file()
    machine.rpm("-e", "mpm-itk2-selinux")
    assert machine.told("semodule")[1:] == ["-n -s targeted -X 200 -r itk2"]


def test_policy_module_labels_the_listener_where_it_is(packages, tmp_path):
    say("sh", "-c", f"rpm2cpio '{packages['mpm-itk2-selinux']}' | cpio -id --quiet", cwd=tmp_path)
    policy = tmp_path / "usr/share/selinux/packages/targeted/itk2.pp.bz2"
    say("bunzip2", str(policy))
    say("semodule_unpackage", str(policy.with_suffix("")), str(tmp_path / "itk2.mod"), str(tmp_path / "itk2.fc"))
    contexts = (tmp_path / "itk2.fc").read_text().split("\n")
    # /usr/lib64 is a name of /usr/lib to the policy.
    assert [line.split() for line in contexts if "itk2" in line] == [["/usr/lib/httpd/modules/itk2-listener", "--",
                         "system_u:object_r:httpd_itk2_listener_exec_t:s0"]]
