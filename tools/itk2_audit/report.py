"""What is said: a table of processes and a line for each finding; the same as JSON."""
import json
import pwd

from . import protections
from .reading import printable

VERSION = 1  # of the JSON: a new one where a field changes its meaning or goes
ORDER = ("master", "listener", "scribe", "spare", "parser", "resolver", "newborn", "worker", "teller", "program")
HEAD = ("process", "pid", "user", "capabilities", "seccomp", "namespaces", "fds", "verdict")


def user(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return "#%d" % uid


def table(instance, findings):
    """Aligned lines: the processes as a tree, each with what is to be said of it."""
    rows = [HEAD] + [_row(instance, findings, process, depth) for process, depth in tree(instance)]
    shown = [tuple(printable(cell) for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(HEAD) - 1)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths + [0])).rstrip() for row in shown]


def tree(instance):
    """(process, depth), parents before their children, roles in the order of the documentation."""
    children = {}
    for process in instance.processes:
        children.setdefault(process.parent, []).append(process)

    def walk(process, depth):
        yield process, depth
        for child in sorted(children.get(process.pid, ()), key=_place):
            yield from walk(child, depth + 1)
    return list(walk(instance.master, 0))


def _place(process):
    return ORDER.index(process.role), process.own.uid, process.pid


def _row(instance, findings, process, depth):
    own = [one for one in findings if one.process.name == process.name]
    own_spaces = process.namespaces.differing(instance.master.namespaces)
    verdict = ", ".join(sorted({"%s %s" % (one.invariant, one.check) for one in own})) or "ok"
    seccomp = "%d" % process.own.filters if process.own.filters else "-"
    return ("  " * depth + process.role, str(process.pid), user(process.own.uid), process.own.short(),
            seccomp + (" nnp" if process.own.no_new_privileges else ""), ",".join(own_spaces) or "-",
            str(len(process.descriptors)), verdict)


def lines_of(findings):
    for one in findings:
        yield printable("%d %s (%s): %s %s: %s; should be: %s" % (
            one.process.pid, one.process.role, user(one.process.own.uid), one.invariant, one.check, one.wrong,
            one.right))


def text(instance, findings, unseen):
    lines = table(instance, findings)
    if findings:
        lines += ["", "Findings"] + ["  " + line for line in lines_of(findings)]
    lines += ["", "Protections"] + ["  " + printable(line) for line in protections.lines(protections.of(instance))]
    lines += ["", "Not to be seen from outside"] + ["  %s %s" % one for one in unseen]
    return "\n".join(lines + ["", ending(instance, findings)]) + "\n"


def ending(instance, findings):
    count = "%d processes" % len(instance.processes) if len(instance.processes) != 1 else "1 process"
    if not findings:
        return "%s: all holds." % count
    return "%s: %d finding%s." % (count, len(findings), "" if len(findings) == 1 else "s")


def described(instance, findings, unseen, round_number):
    """One audit as a dictionary: the schema is docs/man/itk2-audit.8's."""
    return {
        "version": VERSION, "round": round_number, "master": instance.master.pid, "holds": not findings,
        "processes": [_described(process, instance) for process, _depth in tree(instance)],
        "protections": protections.of(instance),
        "findings": [_plain(one.described()) for one in findings],
        "unseen": [{"invariant": invariant, "what": what} for invariant, what in unseen],
    }


def _described(process, instance):
    own = process.own
    return _plain({
        "pid": process.pid, "parent": process.parent, "role": process.role, "title": process.title,
        "program": process.executable, "session": process.session, "dumpable": process.dumpable,
        "threads": [{"tid": number, "uids": list(one.uids), "gids": list(one.gids), "groups": list(one.groups),
                     "capabilities": {name: "%016x" % bits for name, bits in one.sets.items()}}
                    for number, one in sorted(process.threads.items())],
        "seccomp": own.seccomp, "filters": own.filters, "no_new_privileges": bool(own.no_new_privileges),
        "namespaces": process.namespaces.links, "root": process.namespaces.root,
        "uid_map": [list(one) for one in process.namespaces.uid_map],
        "gid_map": [list(one) for one in process.namespaces.gid_map],
        "descriptors": [{"number": one.number, "kind": one.kind, "target": one.target, "how": one.how(),
                         **({"socket": instance.socket(process, one).shown()} if one.kind == "socket" else {})}
                        for one in process.descriptors],
        "shared_memory": [{"device": key[0], "inode": int(key[1]), "path": one.path}
                          for key, one in sorted(process.mappings.items())],
    })


def _plain(value):
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value


def as_json(one):
    return json.dumps(one, sort_keys=True) + "\n"
