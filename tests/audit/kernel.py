"""Calls that Python has no names for: capabilities, namespaces, filters of system calls."""
import ctypes
import os
import struct

_libc = ctypes.CDLL(None, use_errno=True)
CHOWN, SETGID, SETUID = 0, 6, 7
SET_IDS = 1 << SETGID | 1 << SETUID
NEW_USER = 0x10000000
_DUMPABLE, _KEEP_CAPS, _SECCOMP, _DROP_BOUNDING, _NO_NEW_PRIVS, _AMBIENT = 4, 8, 22, 24, 38, 47
_CAPSET = {"x86_64": 126, "aarch64": 91}[os.uname().machine]


def _done(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def prctl(option, *arguments):
    _done(_libc.prctl(option, *[ctypes.c_ulong(one) for one in (*arguments, 0, 0, 0, 0)[:4]]))


def set_capabilities(permitted, inheritable=0):
    """Of this thread; permitted and effective."""
    head = ctypes.create_string_buffer(struct.pack("=II", 0x20080522, 0))
    low, high = permitted & 0xffffffff, permitted >> 32
    body = ctypes.create_string_buffer(struct.pack("=6I", low, low, inheritable, high, high, 0))
    _done(_libc.syscall(_CAPSET, head, body))


def permitted():
    """Of this process."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1], 16) for line in status if line.startswith("CapPrm:"))


def drop_bounding(keep=0):
    for number in range(64):
        if not keep >> number & 1:
            try:
                prctl(_DROP_BOUNDING, number)
            except OSError:
                return  # there are no more


def raise_ambient(number):
    prctl(_AMBIENT, 2, number)


def keep_capabilities():
    """Over this thread's next change of its uid."""
    prctl(_KEEP_CAPS, 1)


def forbid_dumps(allowed=0):
    prctl(_DUMPABLE, allowed)


def new_user_namespace():
    _done(_libc.unshare(NEW_USER))


def enter_user_namespace(descriptor):
    _done(_libc.setns(descriptor, NEW_USER))


def filter_nothing():
    """A filter that allows every system call."""
    allow = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0x7fff0000))
    program = ctypes.create_string_buffer(struct.pack("@HP", 1, ctypes.addressof(allow)))
    prctl(_SECCOMP, 2, ctypes.addressof(program))


def no_new_privileges():
    prctl(_NO_NEW_PRIVS, 1)


def set_title(title):
    """Over the arguments that /proc/PID/cmdline shows."""
    with open("/proc/self/stat", "rb") as stat:
        fields = stat.read().rsplit(b") ", 1)[1].split()
    begin, end = int(fields[45]), int(fields[46])
    ctypes.memmove(begin, title.encode()[:end - begin - 1].ljust(end - begin, b"\0"), end - begin)
