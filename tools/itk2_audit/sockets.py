"""Sockets by inode: what the kernel's tables say of them. Unix sockets are asked for over sock_diag, which alone says
who is at the other end and which directions are shut."""
import os
import socket
import struct

from . import descriptors, reading

LISTEN = 0x0a
_DIAG, _BY_FAMILY, _DUMP, _DONE, _ERROR = 4, 20, 0x301, 3, 2
_SHOW_PEER, _PEER, _SHUT = 4, 2, 6
SEND_SHUT = 2


class Socket:
    """family: tcp, udp, raw, unix, netlink, packet. `state` and the ports of tcp and udp; `peer` (an inode) and `shut`
    of unix, None where it is not known."""

    def __init__(self, family, state=None, local=None, remote=None, peer=None, shut=None, form=None):
        self.family, self.state, self.local, self.remote = family, state, local, remote
        self.peer, self.shut, self.form = peer, shut, form

    @property
    def listens(self):
        return self.family == "tcp" and self.state == LISTEN

    def shown(self):
        if self.family in ("tcp", "udp") and self.local is not None:
            return "%s %s" % (self.family, "listening on port %d" % self.local if self.listens else
                              "port %d to %d" % (self.local, self.remote))
        return "%s%s" % (self.family, " " + self.form if self.form else "")


class Table:
    """The sockets of the network namespace that a process is in; of unix ones also of all that the auditor's has."""

    def __init__(self, pid):
        self.pid, self.found = pid, {}
        self.knows_unix = self._read_unix()
        for name, family in (("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp"), ("raw", "raw"),
                             ("raw6", "raw")):
            self._read_internet(name, family)
        self._read_plain("netlink", 9)
        self._read_plain("packet", 8)

    def of(self, pid, descriptor):
        """The Socket behind a descriptor. One that no table has (not bound, say) is known by its protocol alone."""
        known = self.found.get(descriptor.key)
        if known:
            return known
        if not descriptors.still_there(pid, descriptor):
            return Socket("closed")  # before the tables were read
        try:
            name = os.getxattr("/proc/%d/fd/%d" % (pid, descriptor.number), "system.sockprotoname")
            return Socket(os.fsdecode(name.rstrip(b"\0")).lower().split("-")[0].replace("v6", "") or "unknown")
        except OSError:
            return Socket("unknown")

    def _lines(self, name):
        try:
            return [line.split() for line in reading.text("/proc/%d/net/%s" % (self.pid, name)).splitlines()[1:]]
        except reading.Vanished:
            return []  # a kernel without it

    def _read_internet(self, name, family):
        for words in self._lines(name):
            local, remote = (int(words[column].rsplit(":", 1)[1], 16) for column in (1, 2))
            self.found[int(words[9])] = Socket(family, int(words[3], 16), local, remote)

    def _read_plain(self, name, column):
        for words in self._lines(name):
            if len(words) > column and words[column].isdigit():
                self.found[int(words[column])] = Socket(name)

    def _read_unix(self):
        """Whether sock_diag told; else the plain table."""
        if reading.link("/proc/self/ns/net") == reading.link("/proc/%d/ns/net" % self.pid):
            try:
                for inode, form, peer, shut in _ask_unix():
                    self.found[inode] = Socket("unix", form=_form(form), peer=peer, shut=shut)
                return True
            except OSError:
                pass
        for words in self._lines("unix"):
            self.found[int(words[6])] = Socket("unix", form=_form(int(words[4], 16)))
        return False


def _form(number):
    return {1: "stream", 2: "datagram", 5: "seqpacket"}.get(number, str(number))


def _ask_unix():
    """(inode, type, peer's inode, shutdown bits) of every unix socket; OSError where the kernel does not tell."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _DIAG) as asking:
        asking.settimeout(5)
        question = struct.pack("=BBHIIIII", socket.AF_UNIX, 0, 0, 0xffffffff, 0, _SHOW_PEER, 0, 0)
        asking.sendall(struct.pack("=IHHII", 16 + len(question), _BY_FAMILY, _DUMP, 1, 0) + question)
        while True:
            data = asking.recv(1 << 18)
            while len(data) >= 16:
                length, kind = struct.unpack_from("=IH", data)
                if kind == _DONE:
                    return
                if kind == _ERROR or length < 16:
                    raise OSError("sock_diag refused")
                yield _unix_answer(data[16:length])
                data = data[(length + 3) & ~3:]


def _unix_answer(data):
    _family, form, _state, _pad, inode = struct.unpack_from("=BBBBI", data)
    attributes, rest = {}, data[16:]
    while len(rest) >= 4:
        length, kind = struct.unpack_from("=HH", rest)
        if length < 4:
            break
        attributes[kind] = rest[4:length]
        rest = rest[(length + 3) & ~3:]
    peer = struct.unpack("=I", attributes[_PEER])[0] if _PEER in attributes else None
    return inode, form, peer, attributes[_SHUT][0] if _SHUT in attributes else None
