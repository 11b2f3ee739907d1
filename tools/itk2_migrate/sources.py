"""The files themselves: where a directive that httpd names stands in them, and changing lines without touching others.

Nothing is changed that is not found, letter for letter, where httpd said it is.
"""
import os
import re

MACRO = re.compile(r"macro '([^']*)' \(defined on line (\d+) of \"(.*?)\"\) used on line (\d+) of \"(.*)\"$", re.DOTALL)
VARIABLE = re.compile(rb"[$%@]")


class NotFound(Exception):
    """A directive does not stand where httpd says, in words that httpd gave."""


class Logical:
    """What httpd takes for one line: physical lines `first` to `last`, counted from 1, joined and stripped."""

    __slots__ = ("first", "last", "text", "raw")

    def __init__(self, first, last, raw):
        self.first, self.last, self.raw = first, last, raw
        joined = b"".join(_without_continuation(line) for line in raw[:-1]) + raw[-1]
        self.text = joined.strip(b" \t\r\n\v\f")

    def name(self):
        return re.match(rb"[^\s>]*", self.text).group()

    def arguments(self):
        return self.text[len(self.name()):].lstrip(b" \t\r\n\v\f")


def _without_continuation(line):
    return line.rstrip(b"\n")[:-1] if line.endswith(b"\\\n") else line.rstrip(b"\n").rstrip(b"\r")[:-1]


def _is_continued(line):
    return line.endswith((b"\\\n", b"\\\r\n"))


class Source:
    """One file as it was when it was read."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            self.data = file.read()
        self.physical = self.data.split(b"\n")
        rest = self.physical.pop()
        self.physical = [line + b"\n" for line in self.physical] + ([rest] if rest else [])
        self.logical, first = [], 0
        for at, line in enumerate(self.physical):
            if _is_continued(line) and at + 1 < len(self.physical):
                continue
            self.logical.append(Logical(first + 1, at + 1, self.physical[first:at + 1]))
            first = at + 1
        self.by_last = {line.last: line for line in self.logical}

    def in_macro(self, defined_on, number):
        """The logical line that a macro's line `number` is: mod_macro does not count comments, nor continuations."""
        behind = [line for line in self.logical if line.first > defined_on and not line.text.startswith(b"#")]
        return behind[number - 1] if 0 < number <= len(behind) else None


def shown_place(file, line):
    """FILE:LINE for people; of a macro, where it is used."""
    used = MACRO.match(file)
    if used:
        return "%s (macro %s, line %d of it)" % (shown_place(used.group(5), int(used.group(4))), used.group(1), line)
    return "%s:%d" % (file, line)


def physical_file(file):
    """The path of the file that httpd's name of a place is about; None where that cannot be told."""
    used = MACRO.match(file)
    if used:
        file = used.group(3)
    return file if os.path.isabs(file) else None


class Files:
    """All files that have been looked into, each read once, under their real paths."""

    def __init__(self):
        self._sources = {}

    def source(self, path):
        real = os.path.realpath(path)
        if real not in self._sources:
            self._sources[real] = Source(real)
        return self._sources[real]

    def find(self, directive):
        """(source, logical line) of a directive. Raises NotFound, with the reason, where it is not as httpd says."""
        path, used = physical_file(directive.file), MACRO.match(directive.file)
        if path is None:
            raise NotFound("its place in a file cannot be told")
        try:
            source = self.source(path)
        except OSError as error:
            raise NotFound("cannot be read: %s" % error.strerror)
        line = source.in_macro(int(used.group(2)), directive.line) if used else source.by_last.get(directive.line)
        if line is None or line.name().lower() != os.fsencode(directive.name).lower():
            raise NotFound("the file does not have it there")
        given = line.arguments()
        if given != os.fsencode(directive.arguments) and not (VARIABLE.search(given) if used else b"${" in given):
            raise NotFound("the file has other arguments there")
        return source, line


class Edits:
    """What is to be changed, by real path. The same change twice is one; two different ones of a line are refused."""

    def __init__(self):
        self._replaced, self._behind = {}, {}

    def __bool__(self):
        return bool(self._replaced or self._behind)

    def replace(self, source, line, texts):
        """The logical line becomes these lines. False where it is to become something else already."""
        before = self._replaced.setdefault((source.path, line.first, line.last), texts)
        return before == texts

    def insert(self, source, line, texts):
        """These lines come behind the logical line. False where other lines do already."""
        before = self._behind.setdefault((source.path, line.last), texts)
        return before == texts

    def paths(self):
        return sorted({key[0] for key in self._replaced} | {key[0] for key in self._behind})

    def lines(self):
        """[(path, line, texts before or (), texts after)] for people."""
        return sorted([(path, first, "replace", texts) for (path, first, _), texts in self._replaced.items()] +
                      [(path, last, "insert", texts) for (path, last), texts in self._behind.items()])

    def applied(self, source):
        """The file's new bytes. Lines that no edit names are the old ones, byte for byte."""
        return b"".join(text for _, text in self._pieces(source))

    def original_line(self, source, number):
        """Where a line of the new bytes comes from in the old ones."""
        for original, text in self._pieces(source):
            number -= text.count(b"\n")
            if number <= 0:
                return original
        return len(source.physical)

    def _pieces(self, source):
        """[(old line, new bytes in its place or behind it)], one for each physical line to be."""
        replaced = {first: (last, texts) for (path, first, last), texts in self._replaced.items()
                    if path == source.path}
        pieces, skip = [], 0
        for number, line in enumerate(source.physical, 1):
            end = b"\r\n" if line.endswith(b"\r\n") else b"\n"
            if number in replaced:
                skip, texts = replaced[number]
                pieces += [(number, text + end) for text in texts]
                if texts and not source.physical[skip - 1].endswith(b"\n"):
                    pieces[-1] = (number, texts[-1])
            elif number > skip:
                pieces.append((number, line))
            for text in self._behind.get((source.path, number), ()):
                if pieces and not pieces[-1][1].endswith(b"\n"):
                    pieces[-1] = (pieces[-1][0], pieces[-1][1] + end)
                pieces.append((number, text + end))
        return pieces


def indentation(line):
    return re.match(rb"[ \t]*", line.raw[0]).group()


def renamed(line, name):
    """The lines with another directive's name and all else as it is."""
    raw = b"".join(line.raw)
    old = line.name()
    at = raw.index(old)
    return _texts(raw[:at] + name + raw[at + len(old):])


def commented_out(line):
    """A comment of it: httpd joins continued lines before it looks for the comment sign."""
    raw = b"".join(line.raw)
    at = len(indentation(line))
    return _texts(raw[:at] + b"# itk2-migrate: " + raw[at:])


def _texts(raw):
    """Lines without what ends them; a carriage return before is part of that."""
    texts = raw.split(b"\n")
    if len(texts) > 1 and texts[-1] == b"":
        texts.pop()
    return [text[:-1] if text.endswith(b"\r") else text for text in texts]
