"""Results, kept from run to run: a run of some rows replaces those rows only. Another machine begins afresh."""
import json
import os
import platform
import re
import statistics
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path

from itk2_testing.configuration import php_module


@dataclass
class Sample:
    """One contender in one round of one row."""
    value: float                # requests per second, or what the row's unit says
    base: float = None          # what it is compared to, of the same round
    p99: float = None           # ms
    p99_base: float = None
    errors: dict = field(default_factory=dict)
    parts: dict = field(default_factory=dict)  # what the value is made of

    @property
    def ratio(self):
        return self.value / self.base if self.base else None

    @property
    def p99_ratio(self):
        return self.p99 / self.p99_base if self.p99 and self.p99_base else None


def median(samples, what):
    """The median of the rounds; None when there is nothing."""
    found = [getattr(sample, what) for sample in samples]
    found = [number for number in found if number is not None]
    return statistics.median(found) if found else None


def errors(samples):
    total = {}
    for sample in samples:
        for what, count in sample.errors.items():
            total[what] = total.get(what, 0) + count
    return total


def _first(path, pattern):
    found = re.search(pattern, Path(path).read_text(), re.M)
    return found.group(1).strip() if found else "unknown"


def _version(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, timeout=30)
    return done.stdout or "unknown"


def machine():
    """What the figures depend on."""
    memory = int(_first("/proc/meminfo", r"^MemTotal:\s+(\d+)")) / 2**20
    processor = _first("/proc/cpuinfo", r"^model name\s*: (.*)$")
    return {
        "processor": f"{processor}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GiB",
        "kernel": platform.release(),
        "system": _first("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)'),
        "httpd": _version("apache2"),
        "PHP": _version(re.sub(r"^lib(.*)[.]so$", r"libapache2-mod-\1", php_module().name)),
        "mpm-itk": _version("libapache2-mpm-itk"),
        "wrk": _version("wrk"),
    }


class Store:
    def __init__(self, path):
        self.path, self.machine = Path(path), machine()
        # {row key: {"when":, "seconds":, "rounds":, "samples": {kind: [Sample]}, "not run": {kind: why}}}
        self.rows = {}
        if self.path.exists():
            kept = json.loads(self.path.read_text())
            if kept["machine"] == self.machine:
                self.rows = kept["rows"]
        for row in self.rows.values():
            row["samples"] = {kind: [Sample(**sample) for sample in samples]
                              for kind, samples in row["samples"].items()}

    def enter(self, row, samples, not_run, given, when):
        """A contender that was not asked for keeps its last figure."""
        kept = self.rows.get(row.key, {"samples": {}, "not run": {}})
        self.rows[row.key] = {
            "when": when, "seconds": given.seconds, "rounds": given.rounds,
            "samples": {kind: found for kind, found in (kept["samples"] | samples).items() if kind not in not_run},
            "not run": {kind: why for kind, why in (kept["not run"] | not_run).items() if kind not in samples},
        }

    def samples(self, key, kind):
        return self.rows.get(key, {}).get("samples", {}).get(kind, [])

    def why_not(self, key, kind):
        return self.rows.get(key, {}).get("not run", {}).get(kind, "")

    def number(self, key, kind="itk2", what="value"):
        return median(self.samples(key, kind), what)

    def parts(self, key, kind):
        samples = self.samples(key, kind)
        return samples[-1].parts if samples else {}

    def save(self):
        rows = {key: row | {"samples": {kind: [asdict(sample) for sample in samples]
                                        for kind, samples in row["samples"].items()}}
                for key, row in sorted(self.rows.items())}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"machine": self.machine, "rows": rows}, indent=1, sort_keys=True) + "\n")
