#!/usr/bin/env python3
"""The tables of the docs are the tables of the code: messages, hooks, roles."""
import re

from guard import SOURCE, run, table_rows

PAGE = "docs/ARCHITECTURE.md"
MESSAGES = SOURCE + "wire/messages.h"
DOOR = SOURCE + "mpm_itk2.cc"
FOLDER_PAGE = SOURCE + "README.md"
SPEC = re.compile(r'\{Type::(\w+), "(\w+)", Peer::(\w+), Peer::(\w+), sizeof\(\w+\), (\w+), (\w+)\}')


def messages(tree):
    text = tree.get(MESSAGES, "")
    constants = dict(re.findall(r"constexpr std::size_t (\w+) = (\d+);", text))
    real = {}
    for _type, name, sender, receiver, least, most in SPEC.findall(text):
        least, most = constants.get(least, least), constants.get(most, most)
        real[name] = (sender, receiver, least if least == most else f"{least}..{most}")
    shown = {row[0].strip("`"): tuple(row[1:4]) for row in table_rows(tree.get(PAGE, ""), "Messages")}
    enumerators = re.search(r"enum class Type[^{]*\{(.*?)\};", text, re.DOTALL).group(1)
    types = re.findall(r"^\s*(\w+)(?: = \d+)?,$", enumerators, re.MULTILINE)
    violations = [f"{MESSAGES}: {name} is in the enum and not in specs" for name in types if name not in real]
    for name in sorted(real.keys() | shown.keys()):
        if real.get(name) != shown.get(name):
            violations.append(f"{name}: {MESSAGES} says {real.get(name)}, {PAGE} says {shown.get(name)}")
    return violations, len(real)


def hooks(tree):
    real = re.findall(r"^\s*ap_hook_(\w+)\(", tree.get(DOOR, ""), re.MULTILINE)
    shown = [row[0].strip("`") for row in table_rows(tree.get(PAGE, ""), "Hooks")]
    if real == shown:
        return [], len(real)
    return [f"{DOOR} registers {', '.join(real)}; {PAGE} has {', '.join(shown)}"], len(real)


def roles(tree):
    """The folder's page names one entry file per role, and the architecture's page has the same processes."""
    rows = table_rows(tree.get(FOLDER_PAGE, ""), "Roles")
    violations = [f"{FOLDER_PAGE}: {row[2]}, the entry of {row[0]}, does not exist"
                  for row in rows if SOURCE + row[2].strip("`") not in tree]
    shown = [row[0] for row in table_rows(tree.get(PAGE, ""), "Processes")]
    if [row[0] for row in rows] != shown:
        violations.append(f"{FOLDER_PAGE} has the roles {[row[0] for row in rows]}, {PAGE} the processes {shown}")
    return violations, len(rows)


def check(tree):
    violations, checked = [], []
    for table in (messages, hooks, roles):
        found, count = table(tree)
        violations += found
        checked.append(f"{count} {table.__name__}")
        if not count:
            violations.append(f"no {table.__name__} read")
    return violations, ", ".join(checked)


def changed(path, old, new):
    return lambda tree: tree.having(path, tree[path].replace(old, new, 1))


run("the docs have the tables of the code", check, [
    ("a message the page does not have", changed(MESSAGES, '"want"', '"planted"')),
    ("a message that goes elsewhere", changed(MESSAGES, '"gone", Peer::master', '"gone", Peer::worker')),
    ("a message with another number of descriptors", changed(MESSAGES, "sizeof(Worker), 2, 2", "sizeof(Worker), 1, 2")),
    ("a type without a spec", changed(MESSAGES, "    drained,\n", "    drained,\n    planted,\n")),
    ("a hook the page does not have", changed(DOOR, "ap_hook_mpm(", "ap_hook_planted(")),
    ("a role without its file", changed(FOLDER_PAGE, "`role/spare.cc`", "`role/planted.cc`")),
    ("a process only one page has", changed(PAGE, "| spare | `Min", "| planted | `Min")),
])
