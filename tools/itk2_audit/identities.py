"""Checks of I1 to I6: who may be root, whose accounts are whose, and who holds a capability or a client."""
import os
import pwd

from . import namespaces
from .credentials import SETS, SET_IDS, shown
from .finding import Finding
from .roles import title_of


def expected_groups(uid, gid):
    """All groups of a uid with this gid, as the account database has them."""
    try:
        return set(os.getgrouplist(pwd.getpwuid(uid).pw_name, gid))
    except (KeyError, OverflowError):
        return {gid}


def check(instance):
    for process in instance.processes:
        yield from _root(instance, process)
        yield from _clients(instance, process)
        yield from _title(instance, process)
        yield from _CHECKS.get(process.role, _nothing)(instance, process)
    yield from _accounts(instance)


def _nothing(_instance, _process):
    return ()


def _root(instance, process):
    if process.role in ("master", "newborn"):
        return
    if process.role == "program":  # root as the master's own, or set-uid; _program() sees what it holds
        return
    if any(0 in one.uids for one in process.threads.values()):
        yield Finding(process, "root", "has uid 0", "only the master is root")
    if any(0 in one.gids or 0 in one.groups for one in process.threads.values()):
        yield Finding(process, "root-group", "has group 0", "no group of root's")


def _clients(instance, process):
    held = instance.clients(process)
    if not held:
        return
    if process.role == "master":
        yield Finding(process, "master-client", "holds %d client connections" % len(held), "none", True)
    elif process.role not in ("listener", "worker", "parser", "program"):
        yield Finding(process, "client", "holds %d client connections" % len(held), "none", True)
    if process.role != "master" and any(instance.privileged(one, process) for one in process.threads.values()):
        yield Finding(process, "client-and-privilege", "holds a client connection and %s" % _held(process),
                      "who reads a client holds no capability", True)


def _held(process):
    bits = 0
    for one in process.threads.values():
        bits |= one.sets["permitted"] | one.sets["effective"] | one.sets["ambient"]
    return shown(bits)


def _title(instance, process):
    role, name = title_of(process)
    if instance.foreign or role is None or process.role in ("newborn", "program"):
        return
    if role != process.role:
        yield Finding(process, "title", "calls itself %s" % role, "what its ids and program say: %s" % process.role)
    elif role == "worker" and name and _uid_of(name) not in (None, process.own.uid):
        yield Finding(process, "title", "calls itself worker of %s" % name, "of uid %d, which it is" % process.own.uid)


def _uid_of(name):
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, UnicodeError):
        return None


def _one_identity(process, check):
    for thread, one in process.threads.items():
        if len(set(one.uids)) > 1 or len(set(one.gids)) > 1 or one.uid != process.own.uid or one.gid != process.own.gid:
            yield Finding(process, check, "thread %d has uids %s and gids %s" % (
                thread, "/".join(map(str, one.uids)), "/".join(map(str, one.gids))), "one uid and one gid")


def _sets(process, check, **right):
    """Findings about sets that are not as they should be; those not named are to be empty."""
    for thread, one in process.threads.items():
        for name in SETS:
            wanted = right.get(name, 0)
            if one.sets[name] != wanted:
                yield Finding(process, check, "thread %d: %s set holds %s" % (thread, name, shown(one.sets[name])),
                              shown(wanted))


def _groups(process, right, check):
    for thread, one in process.threads.items():
        extra, missing = set(one.groups) - right, right - set(one.groups) - {one.gid}
        if extra or missing:
            yield Finding(process, check, "thread %d: groups %s" % (thread, _numbers(one.groups)),
                          _numbers(right))


def _numbers(groups):
    return ",".join(map(str, sorted(groups))) or "none"


def _listener(instance, process):
    yield from _one_identity(process, "listener-ids")
    yield from _sets(process, "listener-capabilities")
    yield from _groups(process, {process.own.gid} & set(process.own.groups), "listener-groups")
    if process.own.uid != instance.accounts.listener:
        yield Finding(process, "listener-account", "runs as uid %d" % process.own.uid,
                      "uid %d" % instance.accounts.listener)


def _spare(instance, process):
    yield from _one_identity(process, "spare-ids")
    yield from _sets(process, "spare-capabilities", permitted=SET_IDS, effective=SET_IDS)
    yield from _groups(process, {process.own.gid} & set(process.own.groups), "spare-groups")
    yield from _in_masters_namespace(instance, process)


def _bystander(instance, process):
    yield from _one_identity(process, "bystander-ids")
    yield from _sets(process, "bystander-capabilities")
    yield from _in_masters_namespace(instance, process)


def _in_masters_namespace(instance, process):
    if process.namespaces.user != instance.master.namespaces.user:
        yield Finding(process, "namespace", "is in a user namespace of its own", "the master's")


def _parser(instance, process):
    yield from _one_identity(process, "parser-ids")
    spaces, master = process.namespaces, instance.master.namespaces
    if spaces.user == master.user:
        if not instance.options.weak_parsers:
            yield Finding(process, "parser-namespace", "is in the master's user namespace", "one of its own")
    else:
        yield from _own_namespace(instance, process)
        if spaces.uid_map or spaces.gid_map:
            outside = namespaces.mapped(spaces.uid_map)
            if outside is None or len(outside) > 1:
                yield Finding(process, "parser-map", "its namespace maps %s" % _lines(spaces.uid_map),
                              "one uid, or none")
    for thread, one in process.threads.items():
        for name in SETS:
            if one.sets[name] & ~(SET_IDS if name in ("permitted", "effective") else 0):
                yield Finding(process, "parser-capabilities", "thread %d: %s set holds %s" % (
                    thread, name, shown(one.sets[name])), "setgid+setuid at most, in two sets")


def _own_namespace(instance, process):
    """A user namespace is its owner's, who has every capability in it: root's, and right below the master's."""
    spaces = process.namespaces
    if spaces.owner not in (0, None):
        yield Finding(process, "namespace-owner", "its user namespace belongs to uid %d" % spaces.owner, "root's")
    if spaces.parent not in (instance.master.namespaces.user, None):
        yield Finding(process, "namespace-parent", "its user namespace lies below another", "right below the master's")


def _lines(lines):
    return "; ".join("%d %d %d" % one for one in lines) or "nothing"


def _worker(instance, process):
    own, bounding = process.own, 0
    yield from _one_identity(process, "worker-ids")
    if own.uid in instance.options.set_uid_programs:
        bounding = instance.master.own.sets["bounding"]
    yield from _sets(process, "worker-capabilities", bounding=bounding)
    wanted = instance.options.identities.get(own.uid) if instance.options.identities else None
    if instance.options.identities and wanted is None:
        yield Finding(process, "identity", "is uid %d" % own.uid, "one of the identities named")
    elif wanted and wanted.gid is not None and wanted.gid != own.gid:
        yield Finding(process, "identity", "has gid %d" % own.gid, "gid %d" % wanted.gid)
    right = wanted.groups if wanted and wanted.groups is not None else expected_groups(own.uid, own.gid)
    yield from _groups(process, right, "worker-groups")
    if process.namespaces.user != instance.master.namespaces.user:
        yield from _own_namespace(instance, process)
        yield from _granted(process, right)


def _granted(process, right):
    spaces, own = process.namespaces, process.own
    uids, gids = namespaces.mapped(spaces.uid_map), namespaces.mapped(spaces.gid_map)
    if uids != {own.uid}:
        yield Finding(process, "worker-map", "its namespace maps the uids %s" % _lines(spaces.uid_map), str(own.uid))
    if gids is None or not gids <= right | {own.gid}:
        yield Finding(process, "worker-map", "its namespace maps the gids %s" % _lines(spaces.gid_map),
                      _numbers(right | {own.gid}))


def _program(instance, process):
    if process.session == instance.master.session:  # the master's own; nobody enters its session
        return
    if _site_of(instance, process) in instance.options.set_uid_programs:
        return
    for thread, one in process.threads.items():
        if instance.privileged(one, process) or one.sets["bounding"]:
            yield Finding(process, "program-capabilities", "thread %d, started by a worker, holds %s" % (
                thread, shown(one.sets["permitted"] | one.sets["bounding"])), "none")


def _site_of(instance, program):
    """The uid of the worker that has started it; its own real uid where that worker has ended."""
    below, parent = {one.pid: one for one in instance.processes}, program
    while parent.role == "program" and parent.parent in below:
        parent = below[parent.parent]
    return parent.own.uid if parent.role == "worker" else program.own.uids[0]


def _accounts(instance):
    owners = {uid: role for role, uid in instance.accounts.all().items()}
    if instance.foreign:
        return
    if len(owners) < len(instance.accounts.all()):
        yield Finding(instance.master, "accounts", "listener, spares and parsers share an account", "each its own")
    for process in instance.of("worker"):
        if process.own.uid in owners:
            yield Finding(process, "accounts", "is the %ss' account" % owners[process.own.uid], "a site's user")
    for process in instance.of("listener", "spare", "parser"):
        if process.own.uid in instance.options.identities:
            yield Finding(process, "accounts", "is a site's user, %d" % process.own.uid, "an account of its own")


_CHECKS = {"listener": _listener, "spare": _spare, "scribe": _bystander, "resolver": _bystander,
           "teller": _bystander, "parser": _parser, "worker": _worker, "program": _program}
