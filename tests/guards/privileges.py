#!/usr/bin/env python3
"""docs/PRIVILEGES.md: every "cannot" names a test, every test that is named is there, and every file of attacks is named."""
import re

from guard import run

PAGE = "docs/PRIVILEGES.md"
NAMED = re.compile(r"`(tests/[\w/]+\.(?:py|cc))::(\w+)`")


def has_test(text, path, name):
    pattern = rf"^\s*def {name}\(" if path.endswith(".py") else rf"^\s*void {name}\("
    return re.search(pattern, text, re.MULTILINE) is not None


def rows_of_cannot(page):
    """Rows of the tables headed so, without their heads."""
    rows, within = [], False
    for line in page.splitlines():
        if not line.startswith("|"):
            within = False
        elif line.startswith("| he cannot |"):
            within = True
        elif within and not line.startswith("|---"):
            rows.append(line)
    return rows


def check(tree):
    page = tree.get(PAGE, "")
    named, rows = NAMED.findall(page), rows_of_cannot(page)
    violations = [f"{PAGE}: no test is named by: {row}" for row in rows if not NAMED.search(row)]
    violations += [f"{PAGE}: {path} has no {name}" for path, name in named if not has_test(tree.get(path, ""), path, name)]
    attacks = [path for path in tree if re.fullmatch(r"tests/attack/test_\w+\.py", path)]
    violations += [f"{PAGE}: names no test of {path}" for path in attacks if path not in {path for path, _ in named}]
    if len(rows) < 10:
        violations.append(f"{PAGE}: its tables could not be read")
    return violations, f"{len(rows)} times cannot, {len(set(named))} tests, {len(attacks)} files of attacks"


def changed(path, old, new):
    return lambda tree: tree.having(path, tree[path].replace(old, new, 1))


run("what each process cannot do is shown by a test that is there", check, [
    ("a test of another name", changed("tests/attack/test_after_become.py", "def test_a_worker_has_no_way_back", "def test_x")),
    ("a cannot without a test", changed(PAGE, "| become anybody |", "| do this | somehow |\n| become anybody |")),
    ("attacks that the page does not have", lambda tree: tree.having("tests/attack/test_planted.py", "")),
])
