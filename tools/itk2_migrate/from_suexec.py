"""suexec, mod_fcgid and php-fpm -> mpm-itk2: whole virtual hosts for what only programs had. Only where --from asks:
static files and mod_php get another user by it."""
import os
import re

from . import pools, sources
from .accounts import Identity
from .identities import two_words

NO_WORKER = "is started by a daemon of its own, which goes on under mpm-itk2"


def programs_of(plan, host):
    """[Identity] of what a virtual host starts or asks besides its own processes, today."""
    found = []
    program = two_words(host.last("suexecusergroup") or (plan.server.main.last("suexecusergroup")))
    if program and plan.tree.has_module("mod_suexec.c"):
        found.append(Identity("fcgid" if uses_fcgid(plan, host) else "suexec", *program))
    for one in sends_of(plan, host):
        if one.pool and one.pool.user:
            found.append(Identity("php-fpm %s" % one.pool.name, one.pool.user, one.pool.group))
        else:
            found.append(Identity("FastCGI", text="%s (no php-fpm pool listens there)" % one.address))
    unique = {(one.mechanism, one.shown()): one for one in found}
    return list(unique.values())


def uses_fcgid(plan, host):
    if not plan.tree.has_module("mod_fcgid.c"):
        return False
    return any(one.name.lower() == "fcgidwrapper" or re.search(r"\bfcgid-script\b", one.arguments)
               for one in host.everything())


def sends_of(plan, host):
    return [one for one in (pools.sent(directive, plan.pools) for directive in host.everything()) if one]


# -- suexec --------------------------------------------------------------------------------------------------------

def plan_suexec(plan):
    if not plan.tree.has_module("mod_suexec.c"):
        return
    for directive in plan.named("suexecusergroup"):
        host = plan.host_of(directive)
        said = "%s %s" % (directive.name, directive.arguments)
        if uses_fcgid(plan, host) or ("suexec" in plan.wanted and uses_fcgid(plan, plan.server.main)):
            plan.note(directive, "FastCGI of mod_fcgid %s" % NO_WORKER)
            if "suexec" in plan.wanted:
                plan.decide(directive, "%s: mod_fcgid goes on starting programs as User where there is no "
                            "SuexecUserGroup; serve them by mod_php or mod_cgi first" % said, blocks=False)
        elif not plan.tree.has_module("mod_cgi.c"):
            if plan.tree.has_module("mod_cgid.c"):
                plan.note(directive, "CGI of mod_cgid %s" % NO_WORKER)
            if "suexec" in plan.wanted:
                plan.decide(directive, "%s: mod_cgid would start scripts as User; load mod_cgi instead of it first" %
                            said, blocks=False)
        elif "suexec" not in plan.wanted:
            plan.decide(directive, "%s: suexec cannot change users in a worker, which has no privileges; --from suexec "
                        "makes the whole virtual host %s" % (said, ":".join(directive.words()[:2])), blocks=False)
        else:
            _suexec(plan, host, directive)


def _suexec(plan, host, directive):
    program, own = two_words(directive), host.last("assignuserid")
    if program is None:
        plan.decide(directive, "SuexecUserGroup %s: it takes a user and a group" % directive.arguments)
    elif own is None:
        plan.rename(directive, "AssignUserID")
        plan.note(directive, "static files, too, are read as %s:%s" % program)
    elif Identity("", *program).is_same(Identity("", *(two_words(own) or ("", "")))):
        plan.drop(directive, "AssignUserID says the same")
    else:
        plan.decide(directive, "SuexecUserGroup %s and AssignUserID %s differ; keep one of them" %
                    (directive.arguments, own.arguments), blocks=False)


# -- php-fpm -------------------------------------------------------------------------------------------------------

def plan_pools(plan):
    for host in plan.hosts:
        sends = sends_of(plan, host)
        if not sends:
            continue
        if "php-fpm" not in plan.wanted:
            for one in sends:
                if one.pool:
                    plan.note(one.directive, "PHP stays with php-fpm's pool %s (%s:%s)%s" % (
                        one.pool.name, one.pool.user, one.pool.group,
                        "; --from php-fpm moves it here" if host.section else ""))
            continue
        reason = _obstacle(plan, host, sends)
        if reason:
            plan.decide(sends[0].directive, "%s: %s" % (sends[0].directive.name, reason), blocks=False)
        else:
            _take_over(plan, host, sends)


def _obstacle(plan, host, sends):
    """Why PHP of this virtual host is not moved from php-fpm, or None."""
    pool = sends[0].pool
    if host.section is None:
        return "it is for all virtual hosts; set the handler in each of them, or change it by hand"
    if any(one.pool is None or not one.pool.user for one in sends):
        return "no php-fpm pool with a user listens at %s" % next(
            one.address for one in sends if one.pool is None or not one.pool.user)
    if any(one.pool is not pool for one in sends):
        return "it sends to several pools; keep one of them"
    if not any(name.startswith("mod_php") for name in plan.modules_after):
        return "mod_php is not loaded, and PHP's source would be served; load it first"
    if pool.chroot():
        return "pool %s has a chroot (%s)" % (pool.name, pool.chroot())
    identity = Identity("php-fpm", pool.user, pool.group)
    if None in (identity.uid, identity.gid):
        return "pool %s: %s" % (pool.name, identity.shown())
    own = two_words(host.last("assignuserid", "ruidgid"))
    if own and not Identity("", *own).is_same(identity):
        return "the virtual host is %s:%s, and pool %s is %s:%s; choose one" % (own + (
            pool.name, pool.user, pool.group))
    if sources.MACRO.match(host.section.file):
        return "it is in a macro; change it by hand"
    try:
        if any(line.startswith("SetEnv") for line in pool.lines()) and "mod_env.c" not in plan.modules_after:
            return "pool %s sets environment variables, and mod_env is not loaded; load it first" % pool.name
    except ValueError as error:
        return "pool %s: %s" % (pool.name, error)
    return next((reason for reason in (_odd(host, one) for one in sends) if reason), None)


def _odd(host, one):
    """Why this directive has no counterpart with mod_php, or None."""
    if one.directive.is_called("sethandler"):
        return None
    if not one.directive.is_called("proxypassmatch") or ".php" not in one.directive.arguments.replace("\\", ""):
        return "%s %s: only SetHandler, and ProxyPassMatch of .php, can be converted" % (
            one.directive.name, one.directive.arguments)
    root = host.last("documentroot")
    sent_to = re.sub(r"/\$\d.*$|/$", "", one.path)
    if sent_to and (root is None or os.path.normpath(root.words()[0]) != os.path.normpath(sent_to)):
        return "it sends to %s, which is not the DocumentRoot" % one.path
    return None


def _take_over(plan, host, sends):
    pool = sends[0].pool
    try:
        source, section = plan.files.find(host.section)
    except sources.NotFound as error:
        plan.decide(host.section, "%s; change it by hand" % error)
        return
    lines = [] if host.last("assignuserid", "ruidgid") else ["AssignUserID %s %s" % (pool.user, pool.group)]
    lines += pool.lines()
    indent = sources.indentation(section) + b"    "
    if not plan.edits.insert(source, section, [indent + os.fsencode(line) for line in lines]):
        plan.decide(host.section, "the file serves several virtual hosts that need different changes")
        return
    for one in sends:
        if one.directive.is_called("sethandler"):
            plan.rewrite(one.directive, ["SetHandler application/x-httpd-php"], "SetHandler becomes mod_php's")
        else:
            plan.rewrite(one.directive,
                         ['<FilesMatch "\\.php$">', "    SetHandler application/x-httpd-php", "</FilesMatch>"],
                         "ProxyPassMatch becomes mod_php's handler")
    plan.change(sends[0].directive, "AssignUserID %s %s, of pool %s" % (pool.user, pool.group, pool.name))
    plan.note_host(host, "static files, too, are read as %s:%s; pool %s can go" % (pool.user, pool.group, pool.name))
