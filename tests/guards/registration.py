#!/usr/bin/env python3
"""Nothing is forgotten: every source, test, guard and corpus is in Makefile.am, every test function in its table."""
import re

from guard import SOURCE, run

WHOLE = ("tests/attack/", "tests/audit/", "tests/integration/", "tests/packages/", "tests/tools/")  # in Makefile.am as folders; pytest finds the tests in them
TEST_FUNCTION = re.compile(r"^(?:static )?void (\w+)\(void \*\*\s*\w*\)\s*\{", re.MULTILINE)
IN_TABLE = re.compile(r"cmocka_unit_test(?:_\w+)?\(\s*(\w+)\s*((?:,\s*\w+\s*)*)\)")


def without_comments(text):
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def tests_of(text):
    """Test functions, and those a table runs; set-up and tear-down functions have another type (int)."""
    return set(TEST_FUNCTION.findall(text)), {name for name, _ in IN_TABLE.findall(text)}


def check(tree):
    makefile = without_comments(tree["Makefile.am"]).replace("$(itk2)/", SOURCE)
    listed = set(re.findall(r"[\w./-]+", makefile))
    violations, files, functions = [], 0, 0
    wanted = list(tree.sources(".h", ".cc", ".map", ".md"))
    wanted += [path for path in tree.sources(".h", ".cc", ".py", ".txt", under="tests/") if not path.startswith(WHOLE)]
    for path in sorted(wanted):
        files += 1
        # Programs of one source are listed by their own names.
        if path not in listed and not (path.startswith("tests/") and path.removesuffix(".cc") in listed):
            violations.append(f"{path}: not in Makefile.am")
    for path in sorted(listed):
        if re.match(r"(server|tests)/.*\.(h|cc|py|map|md|txt)$", path) and path not in tree:
            violations.append(f"Makefile.am: {path} does not exist")
        if re.match(r"tests/(unit/test|listener/test|fuzz/fuzz)_\w+$", path) and path + ".cc" not in tree:
            violations.append(f"Makefile.am: {path} has no source")
    for path, text in sorted(tree.sources(".cc", under="tests/").items()):
        defined, run_by_table = tests_of(text)
        functions += len(defined)
        violations += [f"{path}: {name} is in no table" for name in sorted(defined - run_by_table)]
        if "cmocka_run_group_tests" in text and not defined:
            violations.append(f"{path}: has no test")
    for path, text in sorted(tree.sources(".cc", under="tests/fuzz/").items()):
        target = re.fullmatch(r"tests/fuzz/fuzz_(\w+)\.cc", path)
        if target and f"tests/fuzz/replay_{target.group(1)}" not in listed:
            violations.append(f"{path}: its corpus is not replayed by `make check`")
        if not target and re.search(r"LLVMFuzzerTestOneInput\(.*\{", text):
            violations.append(f"{path}: a fuzz target is called fuzz_NAME.cc")
    return violations, f"{files} files, {functions} test functions"


run("every file and test is registered", check, [
    ("a source outside Makefile.am", lambda tree: tree.having(SOURCE + "wire/planted.cc", "")),
    ("a source only a comment of Makefile.am names",
     lambda tree: tree.having(SOURCE + "wire/planted.cc", "").appending("Makefile.am", "# server/mpm/itk2/wire/planted.cc\n")),
    ("a unit test outside Makefile.am", lambda tree: tree.having("tests/unit/planted.cc", "")),
    ("a test function in no table",
     lambda tree: tree.having("tests/unit/planted.cc", "void planted_is_run(void **) {\n}\n")
                      .appending("Makefile.am", "check_PROGRAMS += tests/unit/planted.cc\n")),
    ("a fuzz target without a replay",
     lambda tree: tree.having("tests/fuzz/fuzz_planted.cc", "")
                      .appending("Makefile.am", "EXTRA_DIST += tests/fuzz/fuzz_planted.cc\n")),
    ("a listed test that is gone", lambda tree: tree.appending("Makefile.am", "unit_tests += tests/unit/test_gone\n")),
    ("a listed file that is gone", lambda tree: tree.appending("Makefile.am", "EXTRA_DIST += tests/guards/gone.py\n")),
])
