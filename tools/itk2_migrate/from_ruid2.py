"""mod_ruid2 -> mpm-itk2. RUidGid names an identity as AssignUserID does; RMode stat is IdentityMode owner."""
from . import accounts, identities
from .identities import RUID2_NAMES, two_words

GREATEST = 4294967294


def plan(plan):
    for directive in plan.named(*RUID2_NAMES):
        WAYS[directive.name.lower()](plan, directive)


def _is_stat(directive):
    return directive is not None and [word.lower() for word in directive.words()] == ["stat"]


def _named(plan, directive):
    host = plan.host_of(directive)
    if two_words(directive) is None:
        plan.decide(directive, "RUidGid %s: it takes a user and a group" % directive.arguments)
    elif not plan.is_inner(directive) and _is_stat(host.last("rmode")):
        plan.drop(directive, "RMode stat has it ignored")
    else:
        plan.rename(directive, "AssignUserID")
        if not host.last("rgroups") and not plan.server.main.last("rgroups"):
            plan.note(directive, "has its user's own supplementary groups; under mod_ruid2 those of %s" %
                      plan.server.user)


def _mode(plan, directive):
    stat = _is_stat(directive)
    if plan.is_inner(directive):
        if stat or _is_stat(plan.host_of(directive).last("rmode")):
            plan.decide(directive, "RMode %s in a section: a mode is for a whole virtual host; use AssignUserID here" %
                        directive.arguments)
        else:
            plan.drop(directive, "the whole virtual host is in that mode")
        return
    mode = "owner" if stat else "config"
    if plan.rewrite(directive, ["IdentityMode " + mode], "RMode becomes IdentityMode %s" % mode) and stat:
        plan.note(directive, "runs as the document root's owner, whoever owns a file in it")


def _groups(plan, directive):
    if plan.is_inner(directive):
        plan.decide(directive, "RGroups %s in a section: groups are for a whole virtual host; move it out of the "
                    "section" % directive.arguments)


def _least(plan, directive):
    named = two_words(directive)
    uid, gid = (accounts.uid_of(named[0]), accounts.gid_of(named[1])) if named else (None, None)
    if uid is None or gid is None:
        plan.decide(directive, "RMinUidGid %s: there is no such user or group" % directive.arguments)
        return
    plan.rewrite(directive, ["LimitUIDRange %d %d" % (uid, GREATEST), "LimitGIDRange %d %d" % (gid, GREATEST)],
                 "RMinUidGid becomes LimitUIDRange and LimitGIDRange")


def _default(plan, directive):
    plan.drop(directive, "ids out of range are refused")


def _chroot(plan, directive):
    plan.decide(directive, "RDocumentChRoot %s: mpm-itk2 puts no site into a chroot; remove it, with a DocumentRoot "
                "that is the whole path, or leave this site where it is" % directive.arguments)


WAYS = {"ruidgid": _named, "rmode": _mode, "rgroups": _groups, "rminuidgid": _least, "rdefaultuidgid": _default,
        "rdocumentchroot": _chroot}
assert set(WAYS) == set(identities.RUID2_NAMES)
