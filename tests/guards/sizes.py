#!/usr/bin/env python3
"""No file over 450 lines, no function over 60. sizes-allowed.txt names what may be longer, and why."""
import ast
import re

from guard import run

FILE_LIMIT = 450
FUNCTION_LIMIT = 60
ALLOWED = "tests/guards/sizes-allowed.txt"
NO_FUNCTION = re.compile(r"^\s*(namespace|struct|class|enum|union|extern|if|for|while|switch|do|else|constexpr auto)\b")
NAME = re.compile(r"([~\w:]+)\s*\(")


def braced_functions(text):
    """Name and length of what starts with `name(` and ends with a brace at the same indentation."""
    lines = text.splitlines()
    for start, line in enumerate(lines):
        if NO_FUNCTION.match(line) or not line.rstrip().endswith("{"):
            continue
        first = start
        while first > 0 and not NAME.search(lines[first]) and lines[first - 1].rstrip().endswith((",", "(")):
            first -= 1
        indent = re.match(r"\s*", lines[first]).group()
        name = NAME.search(lines[first])
        if not name or name.group(1) in {"if", "for", "while", "switch", "return"} or len(indent) > 4:
            continue
        for end in range(start + 1, len(lines)):
            if re.match(rf"{indent}\}}", lines[end]):
                yield name.group(1), end - first + 1
                break


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.end_lineno - node.lineno + 1


def allowances(tree):
    """Lines of `path limit reason` or `path:function limit reason`."""
    allowed = {}
    for line in tree.get(ALLOWED, "").splitlines():
        if line.strip() and not line.startswith("#"):
            what, limit, _reason = line.split(None, 2)
            allowed[what] = int(limit)
    return allowed


def is_code(path):
    in_folders = path.startswith(("server/", "tests/")) and path.endswith((".h", ".cc", ".py"))
    return in_folders or path in {"quickstart", "runtests", "Makefile.am", "configure.ac", "m4/itk2.m4"}


def check(tree):
    allowed = allowances(tree)
    violations, files, functions, longest = [], 0, 0, 0
    for path, text in sorted(tree.items()):
        if not is_code(path):
            continue
        files += 1
        lines = text.count("\n")
        if lines > allowed.get(path, FILE_LIMIT):
            violations.append(f"{path}: {lines} lines")
        read = python_functions if path.endswith(".py") else braced_functions
        for name, length in read(text):
            functions += 1
            longest = max(longest, length)
            if length > allowed.get(f"{path}:{name}", FUNCTION_LIMIT):
                violations.append(f"{path}: {name} has {length} lines")
    violations += [f"{ALLOWED}: {what} does not exist" for what in allowed if what.split(":")[0] not in tree]
    return violations, f"{files} files, {functions} functions, the longest {longest} lines"


BODY = "    step();\n"
run("files and functions are short", check, [
    ("a file of 451 lines", lambda tree: tree.having("server/mpm/itk2/plan/planted.h", "//\n" * 451)),
    ("a function of 61 lines",
     lambda tree: tree.having("server/mpm/itk2/plan/planted.cc", "int planted(int a,\n            int b) {\n" + BODY * 58 + "}\n")),
    ("a member function of 61 lines",
     lambda tree: tree.having("server/mpm/itk2/plan/planted.h",
                              "class P {\n    int planted() {\n" + "    " + BODY * 59 + "    }\n};\n")),
    ("a Python function of 61 lines", lambda tree: tree.having("tests/planted.py", "def planted():\n" + "    pass\n" * 60)),
    ("an allowance for a file that is gone", lambda tree: tree.appending(ALLOWED, "server/gone.cc 500 gone\n")),
])
