"""A whole server under which one system call fails, in every process of it."""
import errno
import functools
import re
import subprocess
from dataclasses import dataclass

from attacking import SERVER_USER, SITES
from itk2_testing.client import Broken
from itk2_testing.configuration import Plan, Site

CLONE_NEWUSER = 0x10000000
START_SPARES = 4
DECIDED, UNDECIDED = "decided", "undecided"
ASKED = {DECIDED: ("decided.test", "/page.txt"), UNDECIDED: ("undecided.test", "/other/page.txt")}

NEWEST = {"landlock_create_ruleset": 444, "landlock_restrict_self": 446, "mseal": 462}


@functools.cache
def _numbers():
    done = subprocess.run(["cc", "-E", "-dM", "-include", "sys/syscall.h", "-x", "c", "/dev/null"], check=True,
                          capture_output=True, text=True, timeout=60)
    return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", done.stdout)}


def call_number(name):
    """As this machine has it; of the newest ones, which headers may not know, as all machines have it."""
    return _numbers().get(name) or NEWEST[name]


@dataclass(frozen=True)
class Call:
    """A call, or those of its calls with a certain argument, or those that would write to certain files."""
    name: str
    argument: int = -1
    value: int = 0
    mask: int = 0xffffffff
    files: str = ""

    def words(self):
        if self.files:
            return ["0", self.files]
        number = str(call_number(self.name))
        return [number] if self.argument < 0 else [number, str(self.argument), str(self.value), str(self.mask)]


def decided_plan():
    """A server that needs no parser."""
    same = lambda user: f"{user.name} {user.name}"
    return Plan("itk2", [Site("decided.test", "@DIR@/pages", same(SITES[2]))], user=same(SERVER_USER), php=False,
                tls=False, lines=("PoolQueueTimeout 1", "LogLevel mpm_itk2:info"), limits={"StartServers": START_SPARES})


def wrapper(native, call, error):
    """What a server is to be started by, so that this call fails in it."""
    return (str(native.folder / "failing"), str(getattr(errno, error)), *call.words(), "--")


class Failing:
    """A server in the foreground that may end at any time, and whoever asks it."""

    def __init__(self, instance):
        self.instance = instance
        self.instance.allow(".")
        self.process = subprocess.Popen(instance.command("-D", "FOREGROUND"), env=instance.environment(),
                                        stdout=(instance.directory / "stdout").open("wb"), stderr=subprocess.STDOUT,
                                        start_new_session=True)
        instance.foreground = self.process

    def has_ended(self):
        return self.process.poll() is not None

    def said(self):
        return (self.instance.directory / "stdout").read_text(errors="replace") + self.instance.log()

    def served(self, path, site):
        """Whether it answers with a page."""
        try:
            with self.instance.connect(timeout=2) as connection:
                answer = connection.get(path, site, close=True)
                return answer.status == 200 and answer.body == b"a page\n"
        except (Broken, OSError):
            return False

    def end(self):
        if not self.has_ended():
            self.process.terminate()
            self.process.wait(60)
        self.instance.wait_until_gone()
