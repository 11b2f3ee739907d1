"""What every guard stands on: the source tree as text, and the way a guard reports.

A guard is a function from a tree to a list of violations. It is first shown trees with one planted violation
each, and must find every one; only then does its silence about the real tree mean something.
"""
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("server", "tests", "tools", "docs", "patches", "debian", "rpm", "containers")
SKIPPED = {"__pycache__", "corpus", ".pytest_cache"}
GENERATED = {"configure", "configure~", "aclocal.m4", "Makefile", "Makefile.in", "libtool", "config.log", "config.status"}
SOURCE = "server/mpm/itk2/"


class Tree(dict):
    """Path (from the top of the sources) -> text."""

    @classmethod
    def real(cls):
        tree = cls()
        files = [path for path in ROOT.iterdir() if path.is_file() and path.name not in GENERATED]
        files.append(ROOT / "m4/itk2.m4")
        for folder in FOLDERS:
            files += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
        for path in files:
            name = path.relative_to(ROOT)
            if SKIPPED & set(name.parts):
                continue
            try:
                tree[name.as_posix()] = path.read_text()
            except UnicodeDecodeError:
                continue
        return tree

    def having(self, path, text):
        """This tree with one file more, or another text in it."""
        return Tree(self, **{path: text})

    def appending(self, path, text):
        return self.having(path, self.get(path, "") + text)

    def sources(self, *suffixes, under=SOURCE):
        return {path: text for path, text in self.items() if path.startswith(under) and path.endswith(suffixes)}


def run(claim, check, plants, given=None):
    """Reports in TAP. plants: (what is planted, function from the real thing to one with the violation)."""
    given = Tree.real() if given is None else given
    violations, checked = check(given)
    failed = 0
    print(f"1..{len(plants) + 1}")
    for number, (what, plant) in enumerate(plants, 1):
        found = set(check(plant(given))[0]) - set(violations)
        failed += not found
        print(f"{'ok' if found else 'not ok'} {number} - planted and found: {what}")
    for violation in violations:
        print(f"# {violation}")
    print(f"{'not ok' if violations else 'ok'} {len(plants) + 1} - {claim}: {checked}")
    raise SystemExit(failed + bool(violations))  # as cmocka does: tests/run knows


def table_rows(text, heading):
    """Cells of the first table under a heading of a page, without its two head lines."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("#") and line.lstrip("# ").strip() == heading:
            break
    rows = []
    for line in lines:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        elif rows or line.startswith("#"):
            break
    return rows[2:]


def required_environment(name):
    value = os.environ.get(name)
    if not value:
        raise SystemExit(f"Bail out! {name} is not set: run by `make check`")
    return value
