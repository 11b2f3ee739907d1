#!/usr/bin/env python3
"""How fast itk2 is beside prefork, prefork + mpm-itk and event + php-fpm, in the same minute: absolute figures of a
shared machine mean little. What is measured stands in rows.py; docs/BENCHMARKS.md is made of the results.

As root: /usr/bin/python3 tests/bench/bench.py [--rows REGEX] [--contenders LIST] [--rounds N] [--seconds S] [--check]
"""
import argparse
import os
import re
import resource
import shutil
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import document  # noqa: E402
import measures  # noqa: E402
from contenders import NAMES  # noqa: E402
from itk2_testing.instance import adopt_orphans  # noqa: E402
from report import missed, table  # noqa: E402
from rows import ROWS, STANDS  # noqa: E402
from stands import benching  # noqa: E402
from store import Store  # noqa: E402

REFERENCE = "prefork"
PAUSE = 0.3  # seconds between two runs: the last one's connections are gone then
AUTOGROUP = Path("/proc/sys/kernel/sched_autogroup_enabled")
STORE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks" / "results.json"


def arguments():
    parser = argparse.ArgumentParser(description="Compares prefork, prefork + mpm-itk, event + php-fpm and itk2.")
    parser.add_argument("--rows", default="", metavar="REGEX", help="only the rows in whose key or name it is found")
    parser.add_argument("--contenders", default=",".join(NAMES), metavar="LIST",
                        help=f"some of {','.join(NAMES)}, with commas; shares are of prefork's where it is among them")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of each row; the median counts (2)")
    parser.add_argument("--seconds", type=int, default=2, help="length of each run of wrk (2)")
    parser.add_argument("--store", type=Path, default=STORE, help="where results are kept, and taken from")
    parser.add_argument("--list", action="store_true", help="only says which rows there are")
    parser.add_argument("--document-only", action="store_true", help="measures nothing; writes the document anew")
    parser.add_argument("--check", action="store_true", help="ends with 1 if itk2 misses a promise or has any error")
    given = parser.parse_args()
    if given.rounds < 1 or given.seconds < 1:
        parser.error("at least one round of one second")
    given.kinds = [kind for kind in NAMES if kind in given.contenders.split(",")]
    if not given.kinds or set(given.contenders.split(",")) - set(NAMES):
        parser.error(f"contenders are {', '.join(NAMES)}")
    wanted = re.compile(given.rows, re.IGNORECASE)
    given.rows = [row for row in ROWS if wanted.search(row.key) or wanted.search(row.name)]
    if not given.rows:
        parser.error("no row is called like that; --list names them")
    return given


def prepare_process():
    if os.geteuid() != 0:
        sys.exit("bench: run it as root: it starts servers of many users")
    for tool in ("wrk", "strace", "valgrind"):
        if not shutil.which(tool):
            sys.exit(f"bench: install {tool}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    adopt_orphans()


@contextmanager
def without_autogroup():
    """Workers lead sessions of their own; autogroup would give each a share of its own of the processor."""
    before = AUTOGROUP.read_text() if AUTOGROUP.exists() else None
    try:
        if before:
            AUTOGROUP.write_text("0")
        yield
    finally:
        if before:
            AUTOGROUP.write_text(before)


def say(text, end="\n"):
    print(text, end=end, flush=True)


def set_beside(reference, samples):
    """Each of a round beside prefork's, itself included."""
    for sample in samples:
        sample.base, sample.p99_base = reference.value, reference.p99


def one_round(bench, row, contenders, seconds, not_run):
    """{kind: Sample}, each printed as soon as it is there, and then what they are beside each other."""
    samples = {}
    for kind, contender in contenders.items():
        if kind in not_run:
            continue
        try:
            sample = getattr(measures, row.measure)(bench, contender, row, seconds)
        except Exception as problem:  # whatever it is: the other rows are measured all the same, and this one says why
            not_run[kind] = "failed: " + (str(problem).splitlines() or [type(problem).__name__])[0][:160]
            say(f"  {kind} {not_run[kind]}", end="")
            continue
        if sample is None:
            not_run[kind] = "has no such figure"
            continue
        samples[kind] = sample
        say(f"  {kind} {sample.value:.4g}", end="")
        time.sleep(PAUSE)
    if row.is_beside_prefork and REFERENCE in samples:
        set_beside(samples[REFERENCE], samples.values())
    shares = [f"{kind} {sample.ratio:.3f}" for kind, sample in samples.items() if sample.ratio is not None]
    say(f"  ({', '.join(shares)})" if shares else "")
    return samples


def measure(bench, row, contenders, given):
    """({kind: [Sample of each round]}, {kind: why not})"""
    not_run = {kind: why for kind, why in row.why_not.items() if kind in contenders}
    not_run |= {kind: "not what this row is about" for kind in contenders if row.kinds and kind not in row.kinds}
    for kind, contender in contenders.items():
        if kind not in not_run:
            measures.warm_up(contender, row)
    found, rounds = {}, 1 if row.once else given.rounds
    for number in range(rounds):
        say(f"  round {number + 1} of {rounds}:", end="")
        # Who served nobody among what is held need not show it again: it takes long.
        again = {kind: contender for kind, contender in contenders.items()
                 if not row.held or not found.get(kind) or found[kind][-1].value}
        # Forwards and backwards in turn: what runs first, or after another, may have more of a shared machine.
        if number % 2 == 1:
            again = dict(reversed(again.items()))
        for kind, sample in one_round(bench, row, again, given.seconds, not_run).items():
            found.setdefault(kind, []).append(sample)
    return {kind: samples for kind, samples in found.items() if kind not in not_run}, not_run


def run(given, store):
    done = 0
    with without_autogroup(), benching(given.kinds, say) as bench:
        for which in STANDS:
            rows = [row for row in given.rows if row.stand == which]
            if not rows:
                continue
            with bench.stand(which) as contenders:
                for row in rows:
                    done += 1
                    say(f"[{done}/{len(given.rows)}] {row.name}")
                    samples, not_run = measure(bench, row, contenders, given)
                    store.enter(row, samples, not_run, given, time.strftime("%Y-%m-%d"))
                    store.save()
                say("  stopping")


def main():
    given = arguments()
    if given.list:
        say("\n".join(f"{row.key:20} {row.name}" for row in given.rows))
        return 0
    begin, store = time.monotonic(), Store(given.store)
    if not given.document_only:
        prepare_process()
        run(given, store)
        say("\n" + table(given.rows, store))
        say(f"\ntook {time.monotonic() - begin:.0f} s")
    if given.store == STORE:
        document.write(store)
    if given.check:
        failures = list(missed(given.rows, store))
        say("\n".join(f"missed: {text}" for text in failures) or "every promise of these rows is kept")
        return bool(failures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
