#!/usr/bin/env python3
"""Writes from docs/DIRECTIVES.md the manual page mpm_itk2(5), or a configuration file with every default in comments."""
import argparse
import re
import sys
import textwrap
from pathlib import Path

ROW = re.compile(r"^\| \[(\w+)\]\([^)]*\) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$")
LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
REFUSED = "not supported"


class Directive:
    def __init__(self, name, arguments, default, context):
        self.name, self.arguments, self.default, self.context = name, arguments, default, context

    def value(self):
        """The default as it may be written, or None where it is a description."""
        written = self.default != "none" and (" " not in self.default or self.default.replace(" ", "").isdigit())
        return self.default if written else None


class Page:
    """The introduction, the table, and the sections: (level, heading, blocks); a block is a list of lines."""

    def __init__(self, text):
        self.directives, self.sections = {}, [(1, "", [])]
        for block in re.split(r"\n{2,}", text.strip()):
            heading = re.match(r"(#+) (.+)", block)
            if heading:
                self.sections.append((len(heading[1]), heading[2], []))
                block = block[heading.end():].strip()
            rows = [ROW.match(line) for line in block.splitlines()]
            self.directives |= {row[1]: Directive(*row.groups()) for row in rows if row}
            if block and not any(rows):
                self.sections[-1][2].append(block.splitlines())

    def explained(self, heading):
        return [self.directives[name] for name in heading.split(", ") if name in self.directives]


def plain(text):
    return re.sub(r"[`*]", "", LINK.sub(r"\1", text))


def for_readers(lines):
    """Without what the page says to those who change it."""
    return re.sub(r"`make check`.*?\.(?!\w)", "", "\n".join(line.strip() for line in lines), flags=re.DOTALL).strip()


def roff(text):
    text = LINK.sub(r"\1", text).replace("\\", r"\e").replace("-", r"\-")
    text = re.sub(r"`([^`]+)`", r"\\fB\1\\fR", text)
    text = re.sub(r"\*([^*]+)\*", r"\\fI\1\\fR", text)
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def roff_block(lines):
    if lines[0].startswith("|"):
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("|-")]
        return "\n".join(f".TP\n{roff(row[0])}\n{roff('; '.join(row[1:]))}" for row in cells[1:])
    if lines[0].startswith("* "):
        points = re.split(r"^\* ", "\n".join(lines), flags=re.MULTILINE)[1:]
        return "\n".join(".IP \\(bu 2\n" + roff(re.sub(r"\s*\n\s*", "\n", point.strip())) for point in points)
    return ".PP\n" + roff(for_readers(lines))


def manual(page, version):
    yield f'.TH MPM_ITK2 5 "" "mpm\\-itk2 {roff(version)}" "httpd"'
    yield ".SH NAME\nmpm_itk2 \\- directives of the Apache httpd MPM whose virtual hosts run as their own users"
    for level, heading, blocks in page.sections:
        if level == 1:
            yield ".SH DESCRIPTION" if heading else ".\\\""
        else:
            yield (".SH " + roff(heading).upper()) if level == 2 else f".SS {roff(heading)}"
        for directive in page.explained(heading):
            yield f".PP\n\\fB{directive.name}\\fR \\fI{roff(directive.arguments)}\\fR"
            yield f".br\nContext: {directive.context}. Default: {roff(directive.default)}."
        yield from map(roff_block, blocks)
    yield ".SH SEE ALSO\n.BR apache2 (8),\n.BR itk2\\-listener (8)"


def commented(text):
    return textwrap.wrap(text, 110, initial_indent="# ", subsequent_indent="# ", break_long_words=False)


def configuration(page, preface):
    yield from commented("Every directive of mpm_itk2 with its default. What is commented out below is what holds without it.")
    for line in preface:
        yield from commented(line)
    for level, heading, blocks in page.sections:
        directives = [directive for directive in page.explained(heading) if directive.context != REFUSED]
        if level == 2:
            pending = ["", "## " + plain(heading)]
        if not directives:
            continue
        yield from pending
        pending = []
        first = plain(" ".join(line.strip() for line in blocks[0])) if blocks else ""
        yield from ["", *commented(re.split(r"(?<=\.) (?=[A-Z])", first)[0])]
        for directive in directives:
            if directive.value() is None:
                yield f"# {directive.name} {directive.arguments}: {directive.default} where it is not set"
            else:
                yield f"#{directive.name} {directive.value()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["man", "conf"])
    parser.add_argument("page", type=Path, help="docs/DIRECTIVES.md")
    parser.add_argument("--version", default="", help="the version for the manual page's foot")
    parser.add_argument("--preface", action="append", default=[], help="a paragraph for the configuration file's head")
    arguments = parser.parse_args()
    page = Page(arguments.page.read_text(encoding="utf-8"))
    if not page.directives:
        sys.exit(f"{arguments.page}: no table of directives")
    lines = manual(page, arguments.version) if arguments.what == "man" else configuration(page, arguments.preface)
    print("\n".join(line for line in lines if line != '.\\"'))


if __name__ == "__main__":
    main()
