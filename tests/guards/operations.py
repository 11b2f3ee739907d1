#!/usr/bin/env python3
"""docs/OPERATIONS.md says what to do about every line of the log, every step that can fail and every exit status."""
import re

from guard import SOURCE, run

PAGE = "docs/OPERATIONS.md"
LOG_TABLE = SOURCE + "httpd/log_lines.h"
STEP_TABLE = SOURCE + "base/step.h"
EXIT_TABLE = SOURCE + "base/exit_code.h"
LOG_LINE = re.compile(r"\{\s*LogId::(\w+),\s*\"(\w+)\"")


def first_cells(page):
    """What stands first in a table's row, unquoted."""
    return [line.split("|")[1].strip().strip("`") for line in page.splitlines() if line.startswith("| ")]


def log_ids(tree):
    text = tree.get(LOG_TABLE, "")
    members = re.search(r"enum class LogId[^{]*\{(.*?)\}", text, re.DOTALL)
    names = [name for name in re.findall(r"^\s*(\w+),?$", members.group(1), re.MULTILINE) if name != "count_"]
    return names, LOG_LINE.findall(text)


def check(tree):
    page = tree.get(PAGE, "")
    cells = first_cells(page)
    names, lines = log_ids(tree)
    violations = []
    if names != [name for name, _ in lines]:
        violations.append(f"{LOG_TABLE}: enum and table do not name the same lines in the same order")
    codes = [code for _, code in lines]
    violations += [f"{LOG_TABLE}: {code} stands twice" for code in sorted({c for c in codes if codes.count(c) > 1})]
    violations += [f"{LOG_TABLE}: {code} is not ITK2 and three digits" for code in codes if not re.fullmatch(r"ITK2\d{3}", code)]
    violations += [f"{PAGE}: nothing about {code} ({name})" for name, code in lines if code not in cells]
    violations += [f"{PAGE}: {cell} is in no table" for cell in cells if re.fullmatch(r"ITK2\d+", cell) and cell not in codes]

    names_of_steps = re.search(r"step_names[^{]*\{(.*?)\};", tree.get(STEP_TABLE, ""), re.DOTALL)
    steps = [step for step in re.findall(r'"([\w-]+)"', names_of_steps.group(1)) if step != "none"]
    violations += [f"{PAGE}: nothing about step {step}" for step in steps if step not in cells]

    statuses = re.findall(r"^\s*\w+ = (\d+),", tree.get(EXIT_TABLE, ""), re.MULTILINE)
    violations += [f"{PAGE}: nothing about exit status {status}" for status in statuses if status not in cells]
    if not (codes and steps and statuses):
        violations.append("a table could not be read")
    return violations, f"{len(codes)} log lines, {len(steps)} steps, {len(statuses)} exit statuses"


def without(text):
    return lambda tree: tree.having(PAGE, tree.get(PAGE, "").replace(text, ""))


def changed(path, old, new):
    return lambda tree: tree.having(path, tree[path].replace(old, new, 1))


run("everything the server reports is in docs/OPERATIONS.md", check, [
    ("a log line the page does not have", changed(LOG_TABLE, '"ITK2102"', '"ITK2999"')),
    ("an id used twice", changed(LOG_TABLE, '"ITK2102"', '"ITK2101"')),
    ("an id of the page that is in no table", lambda tree: tree.appending(PAGE, "\n| ITK2999 | planted |\n")),
    ("a line of the enum without its text", changed(LOG_TABLE, "listener_died,", "listener_died,\n    planted,")),
    ("a step the page does not have", changed(STEP_TABLE, '"fork-child"', '"planted-step"')),
    ("an exit status the page does not have", changed(EXIT_TABLE, "= 71", "= 99")),
])
