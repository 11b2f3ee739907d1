"""Open descriptors: what each is, how it was opened, and by which number others are known to have the same."""
import os
import re
import stat

from . import reading

_SOCKET = re.compile(r"socket:\[(\d+)\]\Z")
_PIPE = re.compile(r"pipe:\[(\d+)\]\Z")


class Descriptor:
    """kind: socket, pipe, file, memfd, device, block, directory, anon or other. `key` is the same for the same object
    in any process; None where there is none."""

    def __init__(self, number, target, flags, status):
        self.number, self.target, self.flags = number, target, flags
        self.mode, self.owner, self.group = status.st_mode, status.st_uid, status.st_gid
        self.kind, self.key = _kind(target, status)

    @property
    def reads(self):
        return self.flags & os.O_ACCMODE in (os.O_RDONLY, os.O_RDWR)

    @property
    def writes(self):
        return self.flags & os.O_ACCMODE in (os.O_WRONLY, os.O_RDWR)

    @property
    def appends(self):
        return bool(self.flags & os.O_APPEND)

    @property
    def is_null(self):
        return self.kind == "device" and self.target == "/dev/null"

    def how(self):
        words = ["read"] * self.reads + ["write"] * self.writes + ["append"] * (self.writes and self.appends)
        return "+".join(words)

    def may_be_opened_by(self, credentials):
        """Whether its file's own mode lets this user open it that way (the path to it aside)."""
        wanted = 4 * self.reads + 2 * self.writes
        ids = set(credentials.groups) | {credentials.gid}
        shift = 6 if self.owner == credentials.uid else 3 if self.group in ids else 0
        return self.mode >> shift & wanted == wanted


def _kind(target, status):
    for kind, pattern in (("socket", _SOCKET), ("pipe", _PIPE)):
        found = pattern.match(target)
        if found:
            return kind, int(found.group(1))
    file_type, key = stat.S_IFMT(status.st_mode), (status.st_dev, status.st_ino)
    if target.startswith("anon_inode:"):
        return "anon", None
    if file_type == stat.S_IFREG:
        return ("memfd" if target.startswith("/memfd:") else "file"), key
    if file_type == stat.S_IFIFO:
        return "pipe", key
    return {stat.S_IFCHR: "device", stat.S_IFBLK: "block", stat.S_IFDIR: "directory"}.get(file_type, "other"), key


def of(pid):
    """Every descriptor of a process, by number; those closed meanwhile are left out."""
    base, found = "/proc/%d" % pid, []
    for name in sorted(reading.names(base + "/fd"), key=int):
        try:
            target = reading.link("%s/fd/%s" % (base, name))
            flags = int(reading.fields("%s/fdinfo/%s" % (base, name)).get("flags", "0"), 8)
            found.append(Descriptor(int(name), target, flags, reading.status("%s/fd/%s" % (base, name))))
        except reading.Vanished:
            continue
    return found


def still_there(pid, descriptor):
    """Whether it has the same descriptor now."""
    try:
        return reading.link("/proc/%d/fd/%d" % (pid, descriptor.number)) == descriptor.target
    except reading.Vanished:
        return False
