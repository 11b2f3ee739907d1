"""What would be: httpd with mpm-itk2 reads the files as they are to become, before any is changed."""
import os

from . import pools, sources
from .identities import IDENTITY_NAMES, Server


class Outcome:
    """`answer` of httpd about the files to be; `server` with their identities, None where it read no tree."""

    def __init__(self, answer):
        self.answer = answer
        self.server = Server(answer.tree) if answer.tree.is_complete else None


def instead(plan, switch):
    """httpd's name of a file -> the bytes to be in it."""
    names = {}
    for name in plan.tree.files():
        path = sources.physical_file(name)
        if path:
            names.setdefault(os.path.realpath(path), set()).add(path)
    read = {}
    for path in plan.edits.paths():
        data = plan.edits.applied(plan.files.source(path))
        for name in names.get(path, ()):
            read[name] = data
    read.update(switch.rehearsed)
    return read


def rehearse(httpd, plan, switch):
    return Outcome(httpd.ask(instead=instead(plan, switch)))


def keys(server):
    """One key for each virtual host, the same before and after: name, addresses and file, and which of these it is."""
    counted, found = {}, []
    for host in server.hosts:
        key = (host.label(), host.section.file if host.section else "")
        counted[key] = counted.get(key, 0) + 1
        found.append(key + (counted[key],))
    return found


def compare(plan, outcome):
    """[identity after, or None: the virtual host is not there any more] by number; decides what nobody has foreseen."""
    if outcome.server is None:
        return [None] * len(plan.hosts)
    # A macro's place has the line it is used on, which an inserted line moves.
    after = dict(zip(map(_without_lines, keys(outcome.server)), outcome.server.hosts))
    identities = []
    for host, key in zip(plan.hosts, map(_without_lines, keys(plan.server))):
        there = after.pop(key, None)
        identities.append(outcome.server.identity(there) if there else None)
        if there is None:
            plan.decide(host.section, "%s is not there with mpm-itk2: some <IfModule> or <IfVersion> leaves it out" %
                        host.label())
            continue
        today = plan.server.identity(host)
        foreseen = {"suexec", "php-fpm"} & plan.wanted and plan.hosts.index(host) in plan.changes
        _compare_inner(plan, host, there)
        if not today.is_fixed() and today.mechanism in ("mpm-itk", "itk2"):
            same = today.text == identities[-1].text
        else:
            same = not today.is_fixed() or today.is_same(identities[-1])
        if today.is_missing() and (today.user, today.group) == (identities[-1].user, identities[-1].group):
            plan.decide(host.section, "%s: %s; create it, or name another" % (host.label(), today.shown()))
        elif not foreseen and not same:
            plan.decide(host.section, "%s runs as %s today and would as %s" % (host.label(), today.shown(),
                                                                             identities[-1].shown()))
    for host in after.values():
        plan.decide(host.section, "%s is only there with mpm-itk2: some <IfModule> leaves it out today" % host.label())
    return identities


def _inner_identities(host):
    return sorted(one.arguments for one in host.inner(*IDENTITY_NAMES))


def _compare_inner(plan, host, there):
    """That the sections inside name the same identities, and that PHP goes where it went."""
    if _inner_identities(host) != _inner_identities(there):
        plan.decide(host.section, "%s: its sections name other identities with mpm-itk2 than today (%s, and %s)" % (
            host.label(), "; ".join(_inner_identities(host)) or "none", "; ".join(_inner_identities(there)) or "none"))
    if "php-fpm" in plan.wanted:
        return
    after = {one.address for one in (pools.sent(directive, ()) for directive in there.everything()) if one}
    for one in (pools.sent(directive, plan.pools) for directive in host.everything()):
        if one and one.address not in after:
            plan.note_host(host, "PHP goes to %s today, and not with mpm-itk2: an <IfModule> decides so" % one.address)


def _without_lines(key):
    label, file, count = key
    used = sources.MACRO.match(file)
    return (label, sources.physical_file(file) if used else file, count)
