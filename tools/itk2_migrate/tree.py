"""httpd's configuration as httpd has read it: what mod_itk2_migrate wrote down.

Text is bytes decoded with surrogateescape, so that whatever stands in a file comes back as it was.
"""
import os

FIELDS = 6


class Directive:
    """One directive; a section's name begins with '<' and it has children. `file` and `line` are httpd's words."""

    __slots__ = ("name", "arguments", "file", "line", "children", "parent")

    def __init__(self, name, arguments, file, line, parent=None):
        self.name, self.arguments, self.file, self.line = name, arguments, file, line
        self.children, self.parent = [], parent

    def is_called(self, *names):
        return self.name.lower() in names

    def words(self):
        return words(self.arguments)

    def below(self):
        """Every directive inside, sections too, in httpd's order."""
        for child in self.children:
            yield child
            yield from child.below()

    def sections(self):
        """The sections it stands in, the outermost first."""
        found, above = [], self.parent
        while above is not None:
            found.append(above)
            above = above.parent
        return found[::-1]


def words(text):
    """The arguments of a directive, divided as httpd divides them."""
    found, rest = [], text.strip(" \t\r\n\v\f")
    while rest:
        if rest[0] in "\"'":
            quote, word, at = rest[0], "", 1
            while at < len(rest) and rest[at] != quote:
                if rest[at] == "\\" and at + 1 < len(rest) and rest[at + 1] in ("\\", quote):
                    at += 1
                word += rest[at]
                at += 1
            rest = rest[at + 1:]
        else:
            word = rest.split(None, 1)[0]
            rest = rest[len(word):]
        found.append(word)
        rest = rest.lstrip(" \t\r\n\v\f")
    return found


class Tree:
    """What one reading of the configuration gave. `loads` are its LoadModule lines, `guards` its <IfModule> lines."""

    def __init__(self):
        self.directives, self.loads, self.guards, self.modules = [], [], [], set()
        self.is_complete = False

    def has_module(self, *names):
        return any(name in self.modules for name in names)

    def everything(self):
        for directive in self.directives:
            yield directive
            yield from directive.below()

    def files(self):
        """httpd's names of all files something was read from, in order, each once."""
        seen = {}
        for directive in self.loads + self.guards + list(self.everything()):
            if directive.file:
                seen[directive.file] = True
        return list(seen)

    def virtual_hosts(self):
        """The main server first, then each <VirtualHost> as httpd came to it."""
        main = VirtualHost(None, [one for one in self.directives if not one.is_called("<virtualhost")])
        return [main] + [VirtualHost(one, one.children) for one in self.directives if one.is_called("<virtualhost")]


class VirtualHost:
    """A virtual host, or the main server (`section` is None). `own`: the directives directly in it."""

    def __init__(self, section, own):
        self.section, self.own = section, own
        self.addresses = section.arguments.rstrip(">").split() if section else []

    def last(self, *names):
        """The directive that counts of those called so directly in it, or None."""
        found = [one for one in self.own if one.is_called(*names)]
        return found[-1] if found else None

    def all(self, *names):
        """Those called so anywhere in it."""
        return [one for one in self.everything() if one.is_called(*names)]

    def inner(self, *names):
        """Those called so in sections inside it."""
        return [one for top in self.own for one in top.below() if one.is_called(*names)]

    def everything(self):
        for directive in self.own:
            yield directive
            yield from directive.below()

    @property
    def name(self):
        named = self.last("servername")
        given = named.words() if named else []
        return given[0] if given else ""

    def label(self):
        if self.section is None:
            return "(main server)"
        return "%s %s" % (self.name or "(no ServerName)", " ".join(self.addresses))


def read(data):
    """The tree that mod_itk2_migrate wrote; `is_complete` says whether httpd came to the end of the configuration."""
    tree, above = Tree(), []
    fields = data.split(b"\0")
    for at in range(0, len(fields) - FIELDS, FIELDS):
        kind, depth, file, line, name, arguments = (os.fsdecode(field) for field in fields[at:at + FIELDS])
        if kind == "module":
            tree.modules.add(name)
        elif kind == "end":
            tree.is_complete = True
        elif kind in ("load", "guard"):
            (tree.loads if kind == "load" else tree.guards).append(Directive(name, arguments, file, int(line)))
        else:
            del above[int(depth):]
            directive = Directive(name, arguments, file, int(line), above[-1] if above else None)
            (above[-1].children if above else tree.directives).append(directive)
            above.append(directive)
    return tree
