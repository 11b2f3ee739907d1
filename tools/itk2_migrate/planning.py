"""What is to be changed, and what an administrator must decide. Each mechanism has a file of its own; this is what they
share. Nothing is written here."""
import os

from . import sources
from .identities import Server

# <IfModule> arguments that hold today and would not under mpm-itk2.
GUARDS = {"mod_ruid2.c": "mod_ruid2.c", "ruid2_module": "mod_ruid2.c", "peruser.c": "peruser.c",
          "mpm_peruser_module": "peruser.c"}


class Decision:
    """Something only an administrator can decide. `blocks`: mpm-itk2 would not start, so nothing is written."""

    def __init__(self, place, text, blocks):
        self.place, self.text, self.blocks = place, text, blocks


class Plan:
    """For one tree. `wanted`: what --from names. `changes`, `notes`: by virtual host (its number), short texts."""

    def __init__(self, tree, files, wanted=(), pools=()):
        self.tree, self.files, self.wanted, self.pools = tree, files, set(wanted), list(pools)
        self.server, self.modules_after = Server(tree), tree.modules
        self.hosts = self.server.hosts
        self.edits, self.decisions = sources.Edits(), []
        self.changes, self.notes = {}, {}
        self._hosts_by_directive = {id(one): number for number, host in enumerate(self.hosts)
                                    for one in host.everything()}
        self._own = {id(one) for host in self.hosts for one in host.own}

    # -- asking ----------------------------------------------------------------------------------------------------

    def host_of(self, directive):
        return self.hosts[self._hosts_by_directive[id(directive)]]

    def is_inner(self, directive):
        """In a section inside a virtual host or the main server."""
        return id(directive) not in self._own

    def named(self, *names):
        """Every directive called so, in httpd's order."""
        return [one for one in self.tree.everything() if one.is_called(*names)]

    # -- saying ----------------------------------------------------------------------------------------------------

    def decide(self, directive, text, blocks=True):
        place = sources.shown_place(directive.file, directive.line) if directive is not None else ""
        if not any(one.place == place and one.text == text for one in self.decisions):
            self.decisions.append(Decision(place, text, blocks))

    def change(self, directive, text):
        self._say(self.changes, directive, text)

    def note(self, directive, text):
        self._say(self.notes, directive, text)

    def _say(self, where, directive, text):
        said = where.setdefault(self._hosts_by_directive.get(id(directive), 0), [])
        if text not in said:
            said.append(text)

    def note_host(self, host, text):
        said = self.notes.setdefault(self.hosts.index(host), [])
        if text not in said:
            said.append(text)

    # -- planning changes ------------------------------------------------------------------------------------------

    def rewrite(self, directive, texts, said):
        """The directive's line becomes what `texts` (a function from source and line, or lines of text) makes of it.

        Where the file does not have it as httpd says, nothing is planned and the administrator is told.
        """
        try:
            source, line = self.files.find(directive)
        except sources.NotFound as error:
            self.decide(directive, "%s %s: %s; change it by hand (%s)" % (
                directive.name, directive.arguments, error, said))
            return False
        if callable(texts):
            made = texts(line)
        else:
            made = [sources.indentation(line) + os.fsencode(text) for text in texts]
        if not self.edits.replace(source, line, made):
            self.decide(directive, "%s: this line serves several virtual hosts that need different changes; give each "
                        "a line of its own" % directive.name)
            return False
        self.change(directive, said)
        return True

    def rename(self, directive, name):
        return self.rewrite(directive, lambda line: sources.renamed(line, os.fsencode(name)),
                            "%s becomes %s" % (directive.name, name))

    def drop(self, directive, why):
        return self.rewrite(directive, sources.commented_out, "%s goes: %s" % (directive.name, why))

    def drop_section(self, section, why):
        """Comments out a section with all that is in it."""
        try:
            source, first = self.files.find(section)
        except sources.NotFound as error:
            self.decide(section, "%s: %s; remove the section by hand" % (section.name, error))
            return
        closing = b"</" + os.fsencode(section.name[1:]).lower()
        inside = [line for line in source.logical if line.first > first.last]
        for at, line in enumerate(inside):
            if line.name().lower() == closing:
                break
        else:
            self.decide(section, "%s: its end is not in the same file; remove the section by hand" % section.name)
            return
        for line in [first] + inside[:at + 1]:
            if line.text and not line.text.startswith(b"#"):
                self.edits.replace(source, line, sources.commented_out(line))
        self.change(section, "%s goes: %s" % (section.name + ">", why))

    def keep_guards(self):
        """<IfModule> of a module that chose identities holds as before when mpm-itk2 has taken its place."""
        for guard in self.tree.guards:
            name = guard.arguments.strip().rstrip(">").strip().strip("\"'")
            plain = name.lstrip("!").strip()
            if GUARDS.get(plain) not in self.tree.modules:
                continue
            self.rewrite(guard, lambda line, plain=plain: [
                sources.indentation(line) + line.name() + b" " +
                line.arguments().replace(os.fsencode(plain), b"mpm_itk2_module", 1)],
                "<IfModule %s> becomes <IfModule %smpm_itk2_module>" % (name, "!" if name.startswith("!") else ""))
