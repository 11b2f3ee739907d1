#!/usr/bin/env python3
"""docs/DIRECTIVES.md has the directives of httpd/directives.cc: names, defaults, contexts, and a section for each."""
import re

from guard import SOURCE, run

PAGE = "docs/DIRECTIVES.md"
TABLE = SOURCE + "httpd/directives.cc"
HANDLERS = (TABLE, SOURCE + "httpd/identity_directives.cc", SOURCE + "httpd/pool_directives.cc")
SETTINGS = SOURCE + "httpd/settings.h"
ENTRY = re.compile(r'AP_INIT_\w+\(\s*"(\w+)",\s*(\w+),\s*(?:&(\w+)|nullptr),\s*(\w+),')
NUMBER = re.compile(r"^Number (\w+)\{&Settings::(\w+),\s*\w+,\s*[\w']+(?:,\s*([\d']+))?\};", re.MULTILINE)
DEFAULT = re.compile(r"^\s+std::uint32_t (\w+) = ([\d']+);", re.MULTILINE)
ROW = re.compile(r"^\| \[(\w+)\]\(#([\w-]+)\) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def number(text):
    return int(text.replace("'", ""))


def body_of(function, text):
    found = re.search(rf"^const char \*{function}\(.*?^}}", text, re.MULTILINE | re.DOTALL)
    return found.group() if found else ""


def context_of(handler, where, text):
    if handler == "refuse_replaced":
        return "not supported"
    if where == "anywhere":
        return "server, virtual host, directory"
    return "server" if "GLOBAL_ONLY" in body_of(handler, text) else "server, virtual host"


def directives_of(tree):
    """Name -> (default in the directive's unit, or None where it is not one number; context)."""
    text = tree.get(TABLE, "")
    defaults = {field: number(value) for field, value in DEFAULT.findall(tree.get(SETTINGS, ""))}
    units = {name: (field, number(unit or "1")) for name, field, unit in NUMBER.findall(text)}
    handlers = "\n".join(tree.get(path, "") for path in HANDLERS)
    real = {}
    for name, handler, place, where in ENTRY.findall(text):
        field, unit = units.get(place, (None, 1))
        real[name] = (defaults[field] // unit if field in defaults else None, context_of(handler, where, handlers))
    return real


def anchor(heading):
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def check(tree):
    page = tree.get(PAGE, "")
    real = directives_of(tree)
    rows = {name: (link, default.strip(), context.strip()) for name, link, _, default, context in ROW.findall(page)}
    headings = re.findall(r"^### (.+)$", page, re.MULTILINE)
    explained = {name for heading in headings for name in heading.split(", ")}
    violations = [f"{PAGE}: {name} is not in the table" for name in real if name not in rows]
    violations += [f"{PAGE}: {name} is no directive" for name in sorted(rows.keys() | explained) if name not in real]
    violations += [f"{PAGE}: {name} has no section" for name in real if name not in explained]
    for name, (link, default, context) in rows.items():
        if name not in real:
            continue
        if real[name][0] is not None and default != str(real[name][0]):
            violations.append(f"{PAGE}: the default of {name} is {real[name][0]}, not {default}")
        if context != real[name][1]:
            violations.append(f"{PAGE}: the context of {name} is {real[name][1]}, not {context}")
        if link not in map(anchor, headings):
            violations.append(f"{PAGE}: the link of {name} leads nowhere")
    if not real or "LISTEN_COMMANDS" not in tree.get(TABLE, ""):
        violations.append(f"{TABLE}: the table could not be read")
    return violations, f"{len(real)} directives, {sum(default is not None for default, _ in real.values())} defaults"


def changed(path, old, new):
    def plant(tree):
        assert old in tree[path], f"{old} is not in {path}"
        return tree.having(path, tree[path].replace(old, new, 1))
    return plant


run("docs/DIRECTIVES.md has the directives of the code", check, [
    ("a directive the page does not have", changed(TABLE, '"KeepAliveWait"', '"PlantedWait"')),
    ("a directive only the page has", changed(PAGE, "| [NiceValue](#nicevalue)", "| [PlantedValue](#nicevalue)")),
    ("a directive without a section", changed(PAGE, "### PoolQueueLimit", "### Planted")),
    ("another default in the code", changed(SETTINGS, "queue_limit = 1024", "queue_limit = 2048")),
    ("another unit in the code", changed(TABLE, "&Settings::head_timeout_ms, 1, a_day, 1000", "&Settings::head_timeout_ms, 1, a_day, 10")),
    ("another default in the page", changed(PAGE, "| seconds | 300 |", "| seconds | 301 |")),
    ("another context in the page", changed(PAGE, "| 0 | server, virtual host |", "| 0 | server |")),
    ("another context in the code", changed(TABLE, "nullptr, anywhere, \"nice", "nullptr, RSRC_CONF, \"nice")),
    ("a server's directive taken anywhere", changed(HANDLERS[1], "ap_check_cmd_context(command, GLOBAL_ONLY)", "nullptr")),
    ("a link that leads nowhere", changed(PAGE, "(#poolmaxworkers)", "(#planted)")),
])
