"""peruser -> mpm-itk2. A virtual host's environment becomes AssignUserID; what says how many processes each user has,
goes: workers come as they are asked for."""
from . import sources
from .identities import two_words

ENVIRONMENT = ("serverenvironment", "processor")
COUNTS = ("minprocessors", "minspareprocessors", "maxspareprocessors", "maxprocessors", "idletimeout", "expiretimeout",
          "processorwaittimeout", "processorwaitsteps", "processorcpulimit", "minmultiplexers", "maxmultiplexers")


def is_count(directive):
    """How many processes of what kind, and the account of those that pass connections on."""
    name = directive.name.lower().lstrip("<")
    return name in COUNTS or name.startswith("multiplex")


def plan(plan):
    if plan.server.mechanism != "peruser":
        return
    for host in plan.hosts[1:]:
        named = plan.server.peruser_named(host)
        if named:
            _environment(plan, *named)
    for directive in plan.server.main.own:
        if directive.is_called("<processor") or (directive.name.startswith("<") and is_count(directive)):
            _section(plan, directive)
        elif directive.is_called("processor"):
            _processor(plan, directive)
        elif directive.is_called("serverenvironment"):
            plan.rename(directive, "AssignUserID") if two_words(directive) and len(directive.words()) == 2 else \
                plan.decide(directive, "ServerEnvironment %s: write AssignUserID instead" % directive.arguments)
        elif is_count(directive):
            plan.drop(directive, "workers come as they are asked for")


def _environment(plan, directive, ids, chroot):
    if chroot:
        plan.decide(directive, "%s with a chroot (%s): mpm-itk2 puts no site into a chroot" % (directive.name, chroot))
    elif ids is None:
        plan.decide(directive, "%s %s: no <Processor> section has that name; write AssignUserID user group" %
                    (directive.name, directive.arguments))
    elif len(directive.words()) == 2:
        plan.rename(directive, "AssignUserID")
    else:
        plan.rewrite(directive, ["AssignUserID %s %s" % (sources_word(ids[0]), sources_word(ids[1]))],
                     "%s becomes AssignUserID" % directive.name)


def sources_word(word):
    """An argument as it is written in a file."""
    return '"%s"' % word.replace("\\", "\\\\").replace('"', '\\"') if not word or set(word) & set(" \t\"'\\") else word


def _processor(plan, directive):
    if len(directive.words()) > 2:
        plan.note(directive, "Processor %s: no chroot under mpm-itk2" % directive.arguments)
    plan.drop(directive, "workers come as they are asked for")


def _section(plan, section):
    nice = [child for child in section.children if child.is_called("nicelevel", "nicevalue")]
    if nice:
        plan.note(section, "%s in <%s>: write NiceValue in its virtual hosts" % (nice[0].name, section.arguments))
    plan.drop_section(section, "workers come as they are asked for")
    for child in section.children:
        try:
            plan.files.find(child)
        except sources.NotFound as error:
            plan.decide(child, "%s in <%s: %s; remove the section by hand" % (child.name, section.arguments, error))
