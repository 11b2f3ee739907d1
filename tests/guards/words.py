#!/usr/bin/env python3
"""One word per thing, and no leftovers. The words stand under "Words" in server/mpm/itk2/README.md, with the ones
not used for the same thing."""
import re

from guard import SOURCE, run, table_rows

TABLE = SOURCE + "README.md"
HERE = "tests/guards/words.py"
LEFTOVERS = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
BUILT_FOR_NOTHING = re.compile(r"(^|[/_.-])(utils?|common|helpers?|misc|manager|stuff)([/_.-]|$)")
PRIVATE_PATH = re.compile(r"(?<![\w.~$}{/-])/wo" + r"rk/\w")
NOT_OURS = {"LICENSE", HERE}


def not_used(tree):
    """Word not used -> word used."""
    words = {}
    for word, _meaning, instead_of in table_rows(tree.get(TABLE, ""), "Words"):
        words |= {wrong.strip(): word for wrong in instead_of.split(",") if wrong.strip()}
    return words


def check(tree):
    wrong_words = not_used(tree)
    violations, lines = [], 0
    if not wrong_words:
        return [f"{TABLE}: no table under Words"], "nothing"
    wrong = re.compile(r"\b(" + "|".join(map(re.escape, wrong_words)) + r")s?\b", re.IGNORECASE)
    for path, text in sorted(tree.items()):
        if path in NOT_OURS:
            continue
        if BUILT_FOR_NOTHING.search(path):
            violations.append(f"{path}: a name that says nothing about what is inside")
        for number, line in enumerate(text.splitlines(), 1):
            lines += 1
            if LEFTOVERS.search(line):
                violations.append(f"{path}:{number}: {LEFTOVERS.search(line).group()}")
            if PRIVATE_PATH.search(line):
                violations.append(f"{path}:{number}: a path of somebody's own machine")
            found = wrong.search(line)
            if found and not (path == TABLE and line.startswith("|")):
                violations.append(f"{path}:{number}: \"{found.group()}\": the word is {wrong_words[found.group(1).lower()]}")
    return violations, f"{len(tree)} files, {lines} lines, {len(wrong_words)} words not used"


def plant(path, text):
    return lambda tree: tree.having(SOURCE + path, text + "\n")


run("one word per thing, no leftovers", check, [
    ("a note of something left to do", plant("plan/planted.h", "// TO" + "DO: the rest")),
    ("a file name that says nothing", plant("base/uti" + "ls.h", "")),
    ("another word for the listener", plant("plan/planted.h", "// told to the acceptor")),
    ("a path of somebody's own machine", plant("plan/planted.h", "// see /wo" + "rk/notes")),
])
