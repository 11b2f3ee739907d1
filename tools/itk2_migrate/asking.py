"""Asking httpd: where it is, with what environment it runs, and what it makes of its configuration.

Nothing here reads a configuration file. httpd runs as `httpd -t`: it serves nobody and writes nothing.
"""
import os
import re
import subprocess
import tempfile

from . import tree

PROGRAMS = ("apache2", "httpd", "httpd2")
FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/local/apache2/bin", "/usr/bin", "/sbin")
MODULE_FOLDERS = ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/lib64/apache2",
                  "/usr/lib/httpd/modules", "/usr/local/apache2/modules")
READER, STAND_IN_RECORDS = "mod_itk2_migrate.so", "itk2_migrate_stand_ins.so"
FILES, SERVER = "itk2_migrate_files.so", "mod_mpm_itk2.so"
# Modules that machines have lost, by the stand-in's record.
STAND_INS = {"itk": "mpm_itk_module", "ruid2": "ruid2_module", "peruser": "mpm_peruser_module"}


class CannotAsk(Exception):
    """The environment is not such that httpd can be asked; the text says what to do."""


class Answer:
    """Of one `httpd -t`. `tree`: what it read. `is_accepted`: it said Syntax OK. `said`: its words otherwise."""

    def __init__(self, read, status, said):
        self.tree, self.is_accepted, self.said = read, status == 0, said

    def complaint(self):
        """(file, line, text) of the error httpd ended with; file and line None where it named none."""
        lines = [line for line in self.said.splitlines() if line and not re.search(r"\[\S+:(warn|notice)\]", line)]
        text = " ".join(re.sub(r"^\S+: (?=Syntax error)|^AH\d+: ", "", line) for line in lines)
        text = text or "httpd gave no reason"
        place = re.search(r"[Ss]yntax error on line (\d+) of (.+?): ?", text)
        if not place:
            return None, None, text
        reason = text[place.end():].strip() or text
        # An Include's error ends with the one of the file that it included.
        inner = re.match(r"[Ss]yntax error on line (\d+) of (.+?): ?(.*)", reason)
        while inner:
            place, reason = inner, inner.group(3)
            inner = re.match(r"[Ss]yntax error on line (\d+) of (.+?): ?(.*)", reason)
        return place.group(2), int(place.group(1)), reason


def find_program(named):
    """httpd's path. Raises CannotAsk."""
    if named:
        if not os.access(named, os.X_OK):
            raise CannotAsk("--httpd %s: there is no such program" % named)
        return os.path.abspath(named)
    for folder in os.environ.get("PATH", "").split(":") + list(FOLDERS):
        for name in PROGRAMS:
            path = os.path.join(folder, name)
            if folder and os.path.isfile(path) and os.access(path, os.X_OK):
                return path
    raise CannotAsk("httpd is not found; say where it is with --httpd PATH")


def find_module(name, named_folder, program_modules=()):
    """The path of one of our modules: in the folder named, beside this program's build, or where httpd has its own."""
    folders = [named_folder] if named_folder else list(program_modules) + list(MODULE_FOLDERS)
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return os.path.abspath(path)
    raise CannotAsk("%s is not in %s; install mpm-itk2, or say where its modules are with --modules DIRECTORY" %
                    (name, named_folder or "httpd's module directory"))


def sourced(path, base):
    """The environment after a shell has read Debian's envvars: what apache2ctl gives to httpd."""
    script = 'set -a; . "$1" >/dev/null 2>&1; exec env -0'
    done = subprocess.run(["/bin/sh", "-c", script, "sh", path], env=base, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=60)
    pairs = (os.fsdecode(entry).partition("=") for entry in done.stdout.split(b"\0") if entry)
    return {name: value for name, _, value in pairs if name not in ("_", "PWD", "SHLVL")}


class Httpd:
    """One httpd with one configuration. All of its paths are absolute."""

    def __init__(self, program=None, config=None, server_root=None, defines=(), modules=None, built_modules=()):
        self.program = find_program(program)
        said = self._settings(server_root)
        root = server_root or said.get("HTTPD_ROOT", "/")
        self.config = os.path.abspath(config or os.path.join(root, said.get("SERVER_CONFIG_FILE", "httpd.conf")))
        if not os.path.isfile(self.config):
            raise CannotAsk("%s: there is no such file; say which one with --config FILE" % self.config)
        self.server_root, self.defines = os.path.abspath(server_root) if server_root else None, list(defines)
        self.timeout = 300
        self.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}
        variables = os.path.join(os.path.dirname(self.config), "envvars")
        if os.path.isfile(variables):
            self.environment = sourced(variables, dict(self.environment, APACHE_CONFDIR=os.path.dirname(self.config)))
        self.reader = find_module(READER, modules, built_modules)
        self.stand_ins = find_module(STAND_IN_RECORDS, modules, built_modules)
        self.files = find_module(FILES, modules, built_modules)
        self.server = find_module(SERVER, modules, built_modules)

    def _settings(self, server_root):
        command = [self.program, "-V"] + (["-d", server_root] if server_root else [])
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                                  timeout=60)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CannotAsk("%s -V: %s" % (self.program, error))
        return dict(re.findall(r'-D (\w+)="([^"]*)"', done.stdout.decode("utf-8", "replace")))

    def command(self, first=()):
        """`httpd -t` of this configuration, carrying out these directives before its files."""
        command = [self.program, "-t", "-f", self.config]
        if self.server_root:
            command += ["-d", self.server_root]
        for name in self.defines:
            command += ["-D", name]
        for directive in first:
            command += ["-C", directive]
        return command

    def ask(self, stand_ins=(), instead=None):
        """What httpd makes of the configuration.

        stand_ins: keys of STAND_INS, to be there as if their modules were loaded.
        instead: httpd's name of a file -> bytes to read instead of what is in it.
        """
        first = ["LoadModule itk2_migrate_module %s" % quoted(self.reader)]
        first += ["LoadModule %s %s" % (STAND_INS[name], quoted(self.stand_ins)) for name in stand_ins]
        with tempfile.TemporaryDirectory(prefix="itk2-migrate-") as folder:
            written = os.path.join(folder, "tree")
            environment = dict(self.environment, ITK2_MIGRATE_TREE=written)
            if instead:
                environment.update(LD_PRELOAD=self.files, ITK2_MIGRATE_FILES=_lay_out(folder, instead))
            status, said = self._run(self.command(first), environment)
            data = b""
            if os.path.exists(written):
                with open(written, "rb") as file:
                    data = file.read()
        read = tree.read(data)
        read.loads = [load for load in read.loads
                      if self.reader not in load.arguments and self.stand_ins not in load.arguments]
        return Answer(read, status, said)

    def check(self):
        """(whether httpd accepts the configuration as it lies there, its words)."""
        status, said = self._run(self.command(), self.environment)
        return status == 0, said

    def _run(self, command, environment):
        try:
            done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=self.timeout, cwd="/")
        except subprocess.TimeoutExpired:
            raise CannotAsk("%s -t gave no answer in %d s" % (self.program, self.timeout))
        except OSError as error:
            raise CannotAsk("%s: %s" % (self.program, error.strerror))
        return done.returncode, done.stdout.decode("utf-8", "surrogateescape")


def quoted(path):
    return '"%s"' % path.replace("\\", "\\\\").replace('"', '\\"')


def _lay_out(folder, instead):
    """Writes the files to be read instead, and their list. Returns the list's path."""
    listed = []
    for number, (name, data) in enumerate(sorted(instead.items())):
        replacement = os.path.join(folder, "file%d" % number)
        with open(replacement, "wb") as file:
            file.write(data)
        listed += [os.fsencode(name), os.fsencode(replacement)]
    path = os.path.join(folder, "files")
    with open(path, "wb") as file:
        file.write(b"".join(entry + b"\0" for entry in listed))
    return path
