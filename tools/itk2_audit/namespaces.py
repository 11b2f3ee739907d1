"""Namespaces, id maps and the root directory of a process."""
import array
import fcntl
import os

from . import reading

KINDS = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")
GET_PARENT, GET_OWNER = 0xb702, 0xb704  # ioctl_nsfs(2): NS_GET_PARENT, NS_GET_OWNER_UID


class Namespaces:
    """The namespaces of one process. Of its user namespace: the maps, the owner, and whose child it is."""

    def __init__(self, pid):
        base = "/proc/%d" % pid
        self.links = {}
        for kind in KINDS:
            self.links[kind] = reading.link("%s/ns/%s" % (base, kind))
        self.uid_map, self.gid_map = (_map("%s/%s" % (base, name)) for name in ("uid_map", "gid_map"))
        self.root = reading.link(base + "/root")
        self.owner, self.parent = _above(base + "/ns/user")

    @property
    def user(self):
        return self.links["user"]

    def differing(self, other):
        """The kinds that are not the other's."""
        return [kind for kind in KINDS if self.links[kind] != other.links[kind]]


def _map(path):
    """[(inside, outside, how many)]"""
    return [tuple(int(word) for word in line.split()) for line in reading.text(path).splitlines()]


def mapped(lines):
    """The ids outside that a map leads to; None where it is a range of many."""
    if sum(count for _inside, _outside, count in lines) > 4096:
        return None
    return {outside + step for _inside, outside, count in lines for step in range(count)}


def _above(path):
    """(uid that owns a user namespace, its parent as a link's text); None where the kernel does not tell."""
    try:
        own = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        raise reading.CannotAudit("%s can't be opened" % path)
    except OSError:
        raise reading.Vanished(path)
    try:
        number = array.array("I", [0])
        fcntl.ioctl(own, GET_OWNER, number)
        try:
            parent = fcntl.ioctl(own, GET_PARENT)
        except OSError:  # the first of all, or beyond what the auditor may see
            return number[0], None
        try:
            return number[0], "user:[%d]" % os.fstat(parent).st_ino
        finally:
            os.close(parent)
    except OSError:
        return None, None
    finally:
        os.close(own)
