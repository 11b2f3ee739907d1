"""/proc/locks: who holds a lock on which file."""
import re

from . import reading

_LINE = re.compile(r"\d+: (\w+) +\w+ +(\w+) +(-?\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) ")


def held():
    """[(pid, kind, (major, minor, inode))] of locks that are held; of open file descriptions the pid is -1."""
    found = []
    for line in reading.text("/proc/locks").splitlines():
        one = _LINE.match(line)  # a waiter's line has "->" after the number
        if one and one.group(1) in ("POSIX", "FLOCK", "OFDLCK"):
            found.append((int(one.group(3)), one.group(1).lower(),
                          (int(one.group(4), 16), int(one.group(5), 16), int(one.group(6)))))
    return found
