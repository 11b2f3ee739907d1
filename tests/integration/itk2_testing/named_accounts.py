"""Users with names that tests choose: of letters alone, with a group of another name, made while a server runs."""
import contextlib
import grp
import os
import pwd
import subprocess

from .accounts import Account

FIRST_ID, LAST_ID = 30600, 30899


def _run(*command):
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)


def _free_id():
    taken = {entry.pw_uid for entry in pwd.getpwall()} | {entry.gr_gid for entry in grp.getgrall()}
    first = FIRST_ID + os.getpid() % 200  # test runs beside each other take different ones
    return next(number for number in (*range(first, LAST_ID), *range(FIRST_ID, first)) if number not in taken)


def unused_name(prefix):
    """A user's name of letters alone that no other test run has."""
    return prefix + "".join(chr(ord("a") + int(digit)) for digit in str(os.getpid()))


@contextlib.contextmanager
def account(name, group=None):
    """A user, and his group (of his own name unless another is given), gone again afterwards."""
    number, group = _free_id(), group or name
    remove(name, group)
    try:
        _run("groupadd", "-g", str(number), group)
        _run("useradd", "-M", "-N", "-d", "/nonexistent", "-s", "/usr/sbin/nologin", "-u", str(number),
             "-g", str(number), name)
        yield Account(name, number, number, (number,))
    finally:
        remove(name, group)


def remove(name, group):
    with contextlib.suppress(KeyError):
        pwd.getpwnam(name)
        _run("userdel", "-f", name)  # though a process of his still runs
    with contextlib.suppress(KeyError):
        grp.getgrnam(group)
        _run("groupdel", group)


def join(user, group):
    _run("usermod", "-a", "-G", group, user.name)


def leave(user, group):
    _run("gpasswd", "-d", user.name, group)
