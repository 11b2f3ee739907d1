"""mpm-itk -> mpm-itk2. The directives stay; this says what is different (docs/MIGRATION.md) where a configuration shows
that it matters."""
from .identities import IDENTITY_NAMES, two_words


def plan(plan):
    if plan.server.mechanism not in ("mpm-itk", "itk2"):
        return
    for directive in plan.named("limituidrange"):
        least = two_words(directive)
        if least and least[0] == "0":
            plan.note(directive, "LimitUIDRange from 0: set-uid programs (sudo, exim's sendmail) start without "
                      "capabilities; send mail by SMTP or a set-gid sendmail")
    for directive in plan.named("enablecapabilities"):
        if [word.lower() for word in directive.words()] == ["off"]:
            plan.note(directive, "EnableCapabilities Off changes nothing: no worker holds a capability")
    for directive in plan.named("nicevalue"):
        _nice(plan, directive)
    if plan.server.main.last("maxclientsvhost") and plan.server.mechanism == "mpm-itk":
        plan.note_host(plan.server.main, "MaxClientsVHost of the main server holds for every virtual host")
    for number, host in enumerate(plan.hosts):
        places = {id(one.parent) for one in host.inner(*IDENTITY_NAMES, "nicevalue")}
        if places:
            plan.note_host(host, "%d section%s inside: such requests take longer to find their user" %
                           (len(places), " has an identity" if len(places) == 1 else "s have identities"))
        if host.last("assignuseridexpr", "assigngroupidexpr"):
            plan.note_host(host, "its identity is found by request; names are remembered for NameCacheTime")


def _nice(plan, directive):
    given = directive.words()
    try:
        fits = len(given) == 1 and -20 <= int(given[0]) <= 19
    except ValueError:
        fits = False
    if not fits:
        plan.decide(directive, "NiceValue %s: mpm-itk takes something near it; write a number from -20 to 19" %
                    directive.arguments)
