"""What is said: a table for people, and the same as JSON for programs."""
import json
import os

from . import sources


def printable(text):
    """Text that a terminal can take: bytes that are no UTF-8 and control characters as \\xNN."""
    plain = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else "\\x%02x" % ord(char) for char in plain)


class Row:
    """One virtual host. `after` is None where httpd could not say."""

    def __init__(self, host, place, today, programs, after, changes, notes):
        self.host, self.place, self.today, self.programs = host, place, today, programs
        self.after, self.changes, self.notes = after, changes, notes

    def today_shown(self):
        parts = ["%s %s" % (self.today.mechanism, self.today.shown())]
        return "; ".join(parts + ["%s %s" % (one.mechanism, one.shown()) for one in self.programs])

    def described(self):
        return {"name": printable(self.host.name), "addresses": [printable(one) for one in self.host.addresses],
                "main": self.host.section is None, "place": printable(self.place),
                "today": self.today.described(), "programs": [one.described() for one in self.programs],
                "under_itk2": self.after.described() if self.after else None, "changes": self.changes,
                "notes": self.notes}


def rows(plan, identities, programs, base):
    """The Rows of all virtual hosts, the main server first; places below `base` without it."""
    made = []
    for number, host in enumerate(plan.hosts):
        place = sources.shown_place(host.section.file, host.section.line) if host.section else ""
        made.append(Row(host, without(place, base), plan.server.identity(host), programs[number], identities[number],
                        plan.changes.get(number, []), plan.notes.get(number, [])))
    return made


def without(place, base):
    return place.replace(base.rstrip("/") + "/", "") if base != "/" else place


def table(made):
    """Aligned lines; the last column is free."""
    lines = [("virtual host", "where", "today", "under itk2", "changes")]
    for row in made:
        lines.append(tuple(printable(cell) for cell in (
            row.host.label(), row.place, row.today_shown(), row.after.shown() if row.after else "?",
            _summary(row.changes))))
    widths = [min(max(len(line[column]) for line in lines), 60) for column in range(4)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths + [0])).rstrip() for line in lines]


def _summary(changes):
    return "; ".join(changes) if changes else "none"


def notes(made):
    """Each note once, with whom it is about."""
    about = {}
    for row in made:
        for text in row.notes:
            about.setdefault(text, []).append(row.host.name or row.host.label())
    for text, hosts in about.items():
        more = " and %d more" % (len(hosts) - 3) if len(hosts) > 3 else ""
        yield printable("%s: %s%s" % (text, ", ".join(hosts[:3]), more))


def text(made, plan, switch, base, remarks):
    """The whole report."""
    lines = table(made)
    if switch.said:
        lines += ["", "Modules: " + printable("; ".join(dict.fromkeys(switch.said)))]
    said = list(notes(made)) + [printable(one) for one in remarks]
    if said:
        lines += ["", "Notes"] + ["  " + one for one in said]
    if plan.decisions:
        lines += ["", "To be decided by you"]
        for one in plan.decisions:
            place = without(one.place, base) + ": " if one.place else ""
            lines.append("  " + printable(place + one.text))
    return "\n".join(lines) + "\n"


def as_json(made, plan, switch, remarks, extra):
    described = {
        "virtual_hosts": [row.described() for row in made],
        "modules": list(dict.fromkeys(switch.said)),
        "decisions": [{"place": printable(one.place), "text": printable(one.text), "blocks": one.blocks}
                      for one in plan.decisions],
        "edits": [{"file": printable(path), "line": line, "kind": kind,
                   "text": [printable(os.fsdecode(text)) for text in texts]}
                  for path, line, kind, texts in plan.edits.lines()],
        "remarks": [printable(one) for one in remarks],
    }
    described.update(extra)
    return json.dumps(_printable(described), indent=1, sort_keys=True) + "\n"


def _printable(value):
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [_printable(one) for one in value]
    if isinstance(value, dict):
        return {key: _printable(one) for key, one in value.items()}
    return value
