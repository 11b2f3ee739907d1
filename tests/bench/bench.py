#!/usr/bin/env python3
"""How fast itk2 is, as a share of prefork in the same minute: absolute figures of a shared machine mean little.

As root: /usr/bin/python3 tests/bench/bench.py [--rounds N] [--seconds S] [--only REGEX] [--check]
"""
import argparse
import os
import re
import resource
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import held  # noqa: E402
import wrk  # noqa: E402
from contenders import NAMES, running  # noqa: E402
from itk2_testing.instance import adopt_orphans  # noqa: E402
from report import Sample, missed, table  # noqa: E402
from rows import ROWS  # noqa: E402

REFERENCE = "prefork"
PAUSE = 0.3  # seconds between two runs: the last one's connections are gone then


def arguments():
    parser = argparse.ArgumentParser(description="Compares prefork, prefork + mpm-itk, event + php-fpm and itk2.")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each row; the median counts (3)")
    parser.add_argument("--seconds", type=int, default=3, help="length of each run of wrk (3)")
    parser.add_argument("--only", default="", metavar="REGEX", help="only the rows whose name it is found in")
    parser.add_argument("--check", action="store_true",
                        help="ends with 1 if itk2 misses a promised ratio or has any error in a row")
    given = parser.parse_args()
    if given.rounds < 1 or given.seconds < 1:
        parser.error("at least one round of one second")
    given.rows = [row for row in ROWS if re.search(given.only, row.name, re.IGNORECASE)]
    if not given.rows:
        parser.error("no row is called like that; the rows:\n  " + "\n  ".join(row.name for row in ROWS))
    return given


def prepare_process():
    if os.geteuid() != 0:
        sys.exit("bench: run it as root: it starts servers of many users")
    if not shutil.which("wrk"):
        sys.exit("bench: install wrk")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    adopt_orphans()


def say(text):
    print(text, flush=True)


def measure_held(contender, row, seconds):
    alone, among, lost = held.measure(contender, row, seconds)
    errors = dict(among.errors)
    for what, count in alone.errors.items():
        errors[what] = errors.get(what, 0) + count
    if lost:
        errors["of the held connections lost"] = lost
    return Sample(among.rate, alone.rate, among.p99, errors)


def measure_found(contender, row, seconds):
    named = wrk.run(contender.server, replace(row, found=False), seconds)
    found = wrk.run(contender.server, row, seconds)
    return Sample(found.rate, named.rate, found.p99, found.errors)


def one_round(row, contenders, seconds):
    """{kind: Sample}, each printed as soon as it is there. The first contender is the reference."""
    samples = {}
    for contender in contenders:
        if row.held:
            sample = measure_held(contender, row, seconds)
        elif row.found:
            sample = measure_found(contender, row, seconds)
        else:
            run = wrk.run(contender.server, row, seconds)
            base = samples[REFERENCE].base if samples else run.rate
            sample = Sample(run.rate, base, run.p99, run.errors)
        samples[contender.kind] = sample
        ratio = "" if sample.ratio is None else f" ({sample.ratio:.3f})"
        print(f"  {contender.kind} {sample.rate:.0f}/s{ratio}", end="", flush=True)
        time.sleep(PAUSE)
    print(flush=True)
    return samples


def measure(row, contenders, given):
    """{kind: [Sample of each round]}"""
    if not row.held:
        for contender in contenders:
            wrk.run(contender.server, row, 1)  # warms up
    found = {contender.kind: [] for contender in contenders}
    for number in range(given.rounds):
        print(f"  round {number + 1} of {given.rounds}:", end="", flush=True)
        for kind, sample in one_round(row, contenders, given.seconds).items():
            found[kind].append(sample)
    return found


def main():
    given = arguments()
    prepare_process()
    begin, results = time.monotonic(), {}
    with running(say) as contenders:
        for number, row in enumerate(given.rows, 1):
            say(f"[{number}/{len(given.rows)}] {row.name}")
            results[row] = measure(row, contenders, given)
    say("\n" + table(results, NAMES, given.rounds))
    say(f"\ntook {time.monotonic() - begin:.0f} s")
    if given.check:
        failures = list(missed(results))
        say("\n".join(f"missed: {text}" for text in failures) or "every promise of these rows is kept")
        return bool(failures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
