"""From the rounds to one table, and to the promises that were missed."""
import statistics
from collections import Counter
from dataclasses import dataclass, field

NAME_WIDTH, CELL = 42, "{:>6} {:>7} {:>6}"
CELL_WIDTH = len(CELL.format("", "", ""))


@dataclass(frozen=True)
class Sample:
    """One server in one round of one row."""
    rate: float
    base: float                # the rate it is compared to, of the same round
    p99: float
    errors: dict = field(default_factory=dict)

    @property
    def ratio(self):
        return self.rate / self.base if self.base else None


def ratio_of(samples):
    """The median of the rounds; None when there was nothing to compare with."""
    ratios = [sample.ratio for sample in samples if sample.ratio is not None]
    return statistics.median(ratios) if ratios else None


def errors_of(samples):
    return sum((Counter(sample.errors) for sample in samples), Counter())


def _cell(samples):
    ratio, errors = ratio_of(samples), sum(errors_of(samples).values())
    p99 = statistics.median(sample.p99 for sample in samples)
    return CELL.format("-" if ratio is None else f"{ratio:.3f}" if ratio < 0.1 else f"{ratio:.2f}",
                       "-" if not p99 else f"{p99:.1f}" if p99 < 100 else f"{p99:.0f}", errors or "")


def table(results, names, rounds):
    """results: {row: {kind: [Sample of each round]}}; names: {kind: what it is called}."""
    lines = ["Requests per second as a share of prefork's in the same round (*: of the same server's when nothing is "
             f"held; **: over 100 virtual hosts that name their users), median of {rounds};", "99th percentile of the latency in ms, median; errors as wrk counts them and held connections that were "
             "lost, sum.", "",
             " " * NAME_WIDTH + "".join(f" |{name:^{CELL_WIDTH}}" for name in names.values()),
             " " * NAME_WIDTH + (" |" + CELL.format("ratio", "p99", "errors")) * len(names)]
    for row, by_kind in results.items():
        lines.append(f"{row.name:<{NAME_WIDTH}}" + "".join(f" |{_cell(by_kind[kind])}" for kind in names))
    return "\n".join(lines)


def missed(results, kind="itk2"):
    """What was promised and is not so, in words."""
    for row, by_kind in results.items():
        ratio, errors = ratio_of(by_kind[kind]), errors_of(by_kind[kind])
        if row.promised and (ratio is None or ratio < row.promised):
            found = "nothing was measured" if ratio is None else f"{ratio:.3f}"
            yield f"{row.name}: {found}; promised is {row.promised}"
        if errors:
            yield f"{row.name}: " + ", ".join(f"{count} {what}" for what, count in errors.items())
