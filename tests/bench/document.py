"""docs/BENCHMARKS.md, its plots, and README's table, from the results. In these files what stands between two marks is
written here; everything else is theirs and stays.
"""
import re
from functools import partial
from pathlib import Path

from chart import draw
from contenders import NAMES
from instructions import MODULE
from model import model
from report import cell, explanation, misses, number, promise, verdict
from rows import (CALLS, COLD, COSTS, EVIDENCE, HOLDING, INSTRUCTIONS, MEMORY, RATES, ROWS,
                  THOUSANDS)
from store import median

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT, README, PLOTS = ROOT / "docs" / "BENCHMARKS.md", ROOT / "README.md", ROOT / "docs" / "benchmarks"
MARK = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- end of bench -->)", re.DOTALL)
AXES = {"clients": "clients, keep-alive, static 1 KB", "vhosts": "virtual hosts asked in turn, of 10,000 configured",
        "idle": "idle keep-alive connections held, others ask with new ones"}
IN_README = ("static-kept", "static-new-100", "php-kept", "php-new-100", "tls-static-new", "tls-php-kept",
             "static-kept-1000", "held-idle-15000", "held-stalled-15000", "restart", "sites-memory")


def _cells(row, store, kind):
    return cell(row, store, kind).replace(" · ", "<br>")


def _table(rows, store):
    yield "| work | " + " | ".join(NAMES.values()) + " | promised of itk2 | |"
    yield "|---" * (len(NAMES) + 3) + "|"
    for row in rows:
        what = explanation(row.compared)
        name = row.name + (f"<br>*{what}*" if what else "")
        cells = " | ".join(_cells(row, store, kind) for kind in NAMES)
        yield f"| {name} | {cells} | {promise(row)} | {verdict(row, store)} |"


def _costs(store):
    yield "| of itk2 | |"
    yield "|---|---|"
    yield from (f"| {row.name} | {cell(row, store, 'itk2')} |" for row in COSTS)


def _calls(store):
    """The calls of each process, the most frequent ones by name."""
    yield "| a request of | prefork | itk2: listener | itk2: worker |"
    yield "|---|---|---|---|"
    for row in CALLS:
        found = store.parts(row.key, "prefork") | store.parts(row.key, "itk2")
        cells = " | ".join(_counts(found.get(role, {})) for role in ("child", "listener", "worker"))
        yield f"| {row.name} | {cells} |"


def _counts(count):
    if not count:
        return "-"
    often = sorted(((times, call) for call, times in count.items() if times >= 0.05), reverse=True)
    named = ", ".join(f"{call} {times:.1f}".removesuffix(".0") for times, call in often)
    return f"**{sum(count.values()):.1f}**" + (f": {named}" if named else "")


def _instructions(store):
    """What prefork's child and the worker execute, and where the two differ most."""
    yield "| a request of | prefork | itk2: worker | | of that, its own code | others' that differ |"
    yield "|---" * 6 + "|"
    for row in INSTRUCTIONS:
        theirs, ours = store.parts(row.key, "prefork"), store.parts(row.key, "itk2")
        if not theirs or not ours:
            continue
        more = {name: ours.get(name, 0) - theirs.get(name, 0) for name in theirs | ours if name != MODULE}
        differ = sorted((name for name in more if abs(more[name]) >= 100), key=lambda name: -abs(more[name]))
        yield (f"| {row.name} | {sum(theirs.values()):,.0f} | {sum(ours.values()):,.0f} | "
               f"{sum(ours.values()) / sum(theirs.values()):.3f} | {ours.get(MODULE, 0):,.0f} | "
               f"{', '.join(f'{name} {more[name]:+,.0f}' for name in differ)} |")


def _memory_parts(store):
    found = {kind: store.parts("sites-memory", kind) for kind in NAMES}
    uses = sorted({use for parts in found.values() for use in parts}, key=lambda use: -found["itk2"].get(use, 0))
    yield "| MiB | " + " | ".join(NAMES.values()) + " |"
    yield "|---" * (len(NAMES) + 1) + "|"
    for use in uses:
        yield f"| {use} | " + " | ".join(number(found[kind].get(use)) for kind in NAMES) + " |"


def _machine(store):
    days = sorted({row["when"] for row in store.rows.values()})
    rounds = sorted({f"{row['rounds']} rounds of {row['seconds']} s" for row in store.rows.values()})
    yield from (f"* {what}: {which}" for what, which in store.machine.items())
    if days:
        yield f"* measured {' to '.join(sorted({days[0], days[-1]}))}, {', '.join(rounds)} each"


def _not_run(store):
    """Each reason once, with the rows it holds for."""
    reasons = {}
    for row in ROWS:
        if row.kinds or not row.limits and not store.rows.get(row.key):
            continue
        for kind, name in NAMES.items():
            if not store.samples(row.key, kind):
                why = store.why_not(row.key, kind) or "not measured yet"
                reasons.setdefault((name, why), []).append(row.name)
    for (name, why), rows in reasons.items():
        yield f"* {name}: {'; '.join(rows)}: {why}."


def _missed(store):
    found = False
    for row in ROWS:
        wrong = list(misses(row, store))
        if not row.limits or not wrong:
            continue
        found = True
        yield f"* **{row.name}**: {'; '.join(wrong)}. {row.missed}".rstrip()
    if not found:
        yield "Every promise above is kept."


def _series(store, which, what):
    found = {kind: [] for kind in NAMES}
    for row in ROWS:
        if row.plot and row.plot[0] == which:
            for kind in NAMES:
                samples = store.samples(row.key, kind)
                value = median(samples, what)
                if value is not None:
                    found[kind].append((row.plot[1], value))
    if which == "idle":  # nobody held: what the rows compare to
        for kind in NAMES:
            bases = [median(store.samples(row.key, kind), {"value": "base", "p99": "p99_base"}[what])
                     for row in ROWS if row.plot and row.plot[0] == which]
            bases = [base for base in bases if base]
            if bases:
                found[kind].append((0, sum(bases) / len(bases)))
    return {kind: sorted(points) for kind, points in found.items() if points}


def _plots(store):
    PLOTS.mkdir(parents=True, exist_ok=True)
    for which, x_name in AXES.items():
        rates = _series(store, which, "value")
        if not rates:
            continue
        (PLOTS / f"{which}.svg").write_text(draw(NAMES, x_name, rates, _series(store, which, "p99")))
        yield f"![requests per second and 99th percentile against {x_name}](benchmarks/{which}.svg)\n"


def _readme(store):
    yield "| work | " + " | ".join(list(NAMES.values())[1:]) + " |"
    yield "|---" * len(NAMES) + "|"
    for row in (row for key in IN_README for row in ROWS if row.key == key):
        what = {"held": " (of its own rate without them)", "restart": " (times prefork's)"}.get(row.measure, "")
        cells = []
        for kind in list(NAMES)[1:]:
            samples = store.samples(row.key, kind)
            shown = number(median(samples, "ratio" if row.compared else "value")) if samples else "–"
            cells.append(f"{shown} {row.unit}" if samples and not row.compared else shown)
        yield f"| {row.name}{what} | " + " | ".join(cells) + " |"


def write(store):
    sections = {
        "machine": _machine, "plots": _plots, "missing": _not_run, "missed": _missed, "model": model, "readme": _readme,
        "costs": _costs, "calls": _calls, "instructions": _instructions, "parts": _memory_parts,
    } | {name: partial(_table, rows) for name, rows in (
        ("rates", RATES), ("holding", HOLDING), ("cold", COLD), ("thousands", THOUSANDS), ("memory", MEMORY),
        ("evidence", EVIDENCE))}

    def written(found):
        return found[1] + "\n".join(sections[found[2]](store)) + "\n" + found[3]
    for path in (DOCUMENT, README):
        path.write_text(MARK.sub(written, path.read_text()))
