"""Which role a process of the server has: told from its program, parent, ids, capabilities and namespace. Its title is
its own word, and only compared.

master listener scribe spare parser resolver teller worker; newborn: just forked and still root; program: what a worker,
or the master, has started.
"""
import os
import pwd
import re

from .credentials import SET_IDS

ACCOUNTS = {"listener": "itk2-listener", "spare": "itk2-spare", "parser": "itk2-parser"}
_TITLE = re.compile(r"itk2: (\w+)(?: (\S+))?\Z")


class Accounts:
    """The uids of the server's own accounts: as named by the administrator, else of the account database, else those of
    the processes that look the part. None where there is none."""

    def __init__(self, named, processes, master):
        self.listener, self.spare, self.parser = (
            named[role] if named[role] is not None else _of_database(role) for role in ("listener", "spare", "parser"))
        children = [one for one in processes if one.parent == master.pid]
        if self.listener is None:
            self.listener = _most([one.own.uid for one in children if runs_listener(one, master)])
        if self.spare is None:
            self.spare = _most([one.own.uid for one in children if _looks_like(one, master, "spare")])
        if self.parser is None:
            self.parser = _most([one.own.uid for one in children if _looks_like(one, master, "parser")])

    def all(self):
        return {role: uid for role, uid in (("listener", self.listener), ("spare", self.spare), ("parser", self.parser))
                if uid is not None}


def _of_database(role):
    try:
        return pwd.getpwnam(ACCOUNTS[role]).pw_uid
    except KeyError:
        return None


def _most(uids):
    return max(sorted(set(uids)), key=uids.count) if uids else None


def title_of(process):
    """(role, name) that a process says it has, or (None, None)."""
    found = _TITLE.match(process.title)
    return found.groups() if found else (None, None)


def runs_listener(process, master):
    return process.program != master.program and os.path.basename(process.executable) == "itk2-listener"


def _looks_like(process, master, role):
    inside = process.namespaces.user == master.namespaces.user
    return process.program == master.program and process.own.uid != 0 and title_of(process)[0] == role and \
        process.own.sets["permitted"] == SET_IDS and (inside or role == "parser")


def role_of(process, master, parent_role, accounts, options):
    """The one role that fits; whether the process then keeps to it is for the checks."""
    if process.pid == master.pid:
        return "master"
    if options.foreign:
        return "worker" if process.program == master.program else "program"
    if parent_role == "master" and runs_listener(process, master):
        return "listener"
    if process.program != master.program or parent_role in ("worker", "program"):
        return "program"
    if process.session not in (process.pid, master.session):
        return "program"  # a fork of a worker that has ended: the master adopts what sites leave behind
    if process.own.uid == 0 and process.age() < options.newborn:
        return "newborn"
    if process.own.uid == accounts.spare and parent_role != "master":
        return "teller"
    if process.own.uid == accounts.spare:
        if process.own.holds_any:
            return "spare"
        # Only one of them is sent anything.
        return "scribe" if any(one.kind == "socket" for one in process.descriptors) else "resolver"
    if process.own.uid == accounts.parser:
        return "parser"
    return "worker"
