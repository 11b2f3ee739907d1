"""Reading /proc. Its text is anybody's: it is data here, and printable() before it is shown."""
import os


class Vanished(Exception):
    """A process ended, or has become another one, before it was read."""


class CannotAudit(Exception):
    """The audit has no ground to stand on."""


def printable(text):
    """Text that a terminal can take: bytes that are no UTF-8 and control characters as \\xNN."""
    plain = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else "\\x%02x" % ord(char) for char in plain)


def _asked(call, path):
    try:
        return call(path)
    except PermissionError:
        raise CannotAudit("%s can't be read: it takes root with CAP_SYS_PTRACE, and a /proc that hides nothing" % path)
    except OSError:
        raise Vanished(path)


def text(path):
    def whole(name):
        with open(name, "rb") as file:
            return file.read()
    return os.fsdecode(_asked(whole, path))


def link(path):
    return _asked(os.readlink, path)


def names(path):
    return _asked(os.listdir, path)


def status(path):
    """os.stat() of what a link of /proc leads to; no permission on the way there is needed."""
    return _asked(os.stat, path)


def fields(path):
    """{name: value} of a file of "name: value" lines."""
    found = {}
    for line in text(path).splitlines():
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    return found


def stat_fields(pid):
    """The fields of /proc/PID/stat from the state (its third) on. A name may hold anything, parentheses too."""
    whole = text("/proc/%d/stat" % pid)
    return whole[whole.rindex(")") + 2:].split()


def processes():
    """The numbers of all processes there are now."""
    return [int(name) for name in names("/proc") if name.isdigit()]
