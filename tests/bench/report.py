"""From the results to a table, and to the promises that were missed."""
from contenders import NAMES
from rows import OF_PREFORK
from store import errors, median

NAME_WIDTH, CELL_WIDTH = 66, 24


def number(value):
    """Three digits that count."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


def cell(row, store, kind):
    """What the row's figure is: a share, or a value with its unit; then p99 where there is one; then errors."""
    samples = store.samples(row.key, kind)
    if not samples:
        return "-"
    if row.compared and row.unit:
        text = f"{number(median(samples, 'value'))} {row.unit} ({number(median(samples, 'ratio'))})"
    elif row.compared:
        text = number(median(samples, "ratio"))
    else:
        text = f"{number(median(samples, 'value'))} {row.unit}".rstrip()
    p99 = median(samples, "p99")
    if p99:
        text += f" · {number(p99)} ms"
    failed = sum(errors(samples).values())
    return text + (f" · {failed:,} errors" if failed else "")


def misses(row, store, kind="itk2"):
    """What of the row's promises is not kept, in words. Nothing where it has not been measured."""
    samples = store.samples(row.key, kind)
    if not samples:
        return
    for limit in row.limits:
        found = median(samples, limit.what.replace(" ", "_"))
        if not limit.holds(found):
            yield f"{limit.what} {number(found)}, promised is {limit.words(row.unit)}"
    for what, count in errors(samples).items():
        yield f"{count} {what}"


def verdict(row, store):
    if not row.limits or not store.samples(row.key, "itk2"):
        return ""
    return "missed" if list(misses(row, store)) else "met"


def promise(row):
    return ", ".join(limit.words(row.unit) for limit in row.limits)


def explanation(compared):
    return "" if compared in ("", OF_PREFORK) else compared


def table(rows, store):
    """For the terminal."""
    lines = ["Shares are of prefork's rate in the same round unless the row says otherwise; ms: 99th percentile.", "",
             " " * NAME_WIDTH + "".join(f"| {name:<{CELL_WIDTH}}" for name in NAMES.values()) + "| promised"]
    for row in rows:
        cells = "".join(f"| {cell(row, store, kind):<{CELL_WIDTH}}" for kind in NAMES)
        lines.append(f"{row.name:<{NAME_WIDTH}}{cells}| {promise(row)} {verdict(row, store)}")
    return "\n".join(lines)


def missed(rows, store):
    for row in rows:
        for text in misses(row, store):
            yield f"{row.name}: {text}"
        if row.limits and not store.samples(row.key, "itk2"):
            yield f"{row.name}: not measured: {store.why_not(row.key, 'itk2')}"
