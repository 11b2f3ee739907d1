"""Private configurations for itk2-migrate, with Debian's httpd as their judge; the machine's own is never touched."""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = REPOSITORY / "tools" / "itk2_migrate"
TESTS = REPOSITORY / "tests" / "tools"
LIBEXECDIR = "/usr/lib/apache2/modules"
OURS = ("mod_itk2_migrate.so", "itk2_migrate_stand_ins.so", "itk2_migrate_files.so")

for folder in (REPOSITORY / "tools", REPOSITORY / "tests" / "integration"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from itk2_testing import accounts  # noqa: E402 (found by the path set above)
from itk2_testing.configuration import itk2_module  # noqa: E402

USERS = [user.name for user in accounts.accounts(4)]
STOCK = "\n".join(f"LoadModule {name}_module {LIBEXECDIR}/{file}" for name, file in (
    ("mpm_prefork", "mod_mpm_prefork.so"), ("mpm_itk", "mpm_itk.so")))
PREFORK = STOCK.splitlines()[0]
OTHERS = "\n".join(f"LoadModule {name}_module {LIBEXECDIR}/mod_{name}.so" for name in (
    "authz_core", "macro", "alias", "dir", "mime", "setenvif"))


def compiled(source, target, *flags):
    """A shared object from one C source, as configure.ac builds it."""
    includes = subprocess.run(["apr-1-config", "--includes", "--cppflags"], check=True, text=True, capture_output=True,
                              timeout=30).stdout.split()
    subprocess.run(["cc", "-O1", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE",
                    "-DAP_HAVE_DESIGNATED_INITIALIZER", "-isystem", "/usr/include/apache2", *includes, str(source),
                    "-o", str(target), *flags], check=True, timeout=120)


@pytest.fixture(scope="session")
def modules(tmp_path_factory):
    """A directory with mod_mpm_itk2.so, its listener and the modules of itk2-migrate, all root's."""
    if os.geteuid() != 0:
        pytest.skip("needs root: servers of many users")
    accounts.ensure()
    server, folder = itk2_module(), tmp_path_factory.mktemp("modules")
    open_to_all(folder)
    listeners = [path for path in (parent / "itk2-listener" for parent in server.parents[:2]) if path.is_file()]
    for path in [server] + listeners[:1]:
        shutil.copy(path, folder)
    for name in OURS:
        built = server.parent / name
        if built.is_file():
            shutil.copy(built, folder)
        else:
            compiled(SOURCES / name.replace(".so", ".c"), folder / name, "-ldl")
    compiled(TESTS / "modules.c", folder / "test_modules.so")
    return folder


def open_to_all(folder):
    """pytest keeps its directories to itself; servers of other users have to come in."""
    for path in [folder, *folder.parents]:
        if path == Path("/tmp"):
            break
        path.chmod(path.stat().st_mode | 0o055)


@pytest.fixture
def configured(modules, tmp_path):
    """Makes a Configuration."""
    def make(text, files=None, load=STOCK):
        return Configuration(tmp_path, modules, text, files or {}, load)
    return make


class Run:
    """One run of itk2-migrate: its status, what it said, and with --json what that was."""

    def __init__(self, done):
        self.status = done.returncode
        self.out, self.err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        assert "Traceback" not in self.err, self.err
        self.report = json.loads(self.out) if self.out.startswith("{") else None

    def hosts(self):
        """{name: its row} of the virtual hosts; without a name: its place."""
        return {row["name"] or row["place"]: row for row in self.report["virtual_hosts"] if not row["main"]}

    def identities(self):
        """{name: (mechanism, today, under itk2)}"""
        def shown(one):
            return one and (one.get("text") or f"{one['user']}:{one['group']}")
        return {name: (row["today"]["mechanism"], shown(row["today"]), shown(row["under_itk2"]))
                for name, row in self.hosts().items()}

    def decisions(self):
        return [f"{one['place']}: {one['text']}" for one in self.report["decisions"]]


class Configuration:
    """A tree below tmp_path/server: httpd.conf and further files (text or bytes)."""

    def __init__(self, tmp_path, modules, text, files, load):
        self.modules, self.top, self.backups = modules, tmp_path, tmp_path / "backups"
        self.root = tmp_path / "server"
        self.main = self.root / "httpd.conf"
        for folder in ("logs", "www"):
            (self.root / folder).mkdir(parents=True)
        for name, content in files.items():
            self.put(name, content)
        self.put("httpd.conf", f"ServerRoot {self.root}\n{load}\n{OTHERS}\nServerName localhost\nUser www-data\n"
                 f"Group www-data\nDocumentRoot {self.root}/www\nErrorLog {self.root}/logs/error.log\n"
                 f"PidFile {self.root}/httpd.pid\nDefaultRuntimeDir {self.root}\n{text}\n")
        open_to_all(self.root)

    def put(self, name, content):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def bytes_of_all(self):
        """{path: bytes, or where a link leads} of all that is below."""
        return {path: os.readlink(path) if path.is_symlink() else path.read_bytes()
                for path in sorted(self.root.rglob("*")) if path.is_symlink() or path.is_file()}

    def _command(self, options, json_too=True):
        python = os.environ.get("ITK2_MIGRATE_PYTHON", "/usr/bin/python3")
        command = [python, "-m", "itk2_migrate", "--httpd", "/usr/sbin/apache2", "--config", str(self.main),
                   "--modules", str(self.modules), "--backup-dir", str(self.backups)]
        command += (["--json"] if json_too else []) + [str(option) for option in options]
        return command, self._environment()

    @staticmethod
    def _environment():
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES.parent), "PYTHONDONTWRITEBYTECODE": "1",
                "LANG": "C"}

    def migrate(self, *options, json_too=True):
        command, environment = self._command(options, json_too)
        return Run(subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60))

    def start(self, *options):
        command, environment = self._command(options)
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def undo(self, backup):
        return self.migrate("--undo", backup, json_too=False)

    def httpd_accepts(self):
        done = subprocess.run(["apache2", "-t", "-f", str(self.main)], capture_output=True, text=True, timeout=60)
        return done.returncode == 0, done.stdout + done.stderr


def virtual_host(name, *lines):
    inside = "".join(f"    {line}\n" for line in (f"ServerName {name}", *lines))
    return f"<VirtualHost *:80>\n{inside}</VirtualHost>"


def temporary_files(root):
    return [path for path in root.rglob("*") if "itk2-migrate" in path.name]
