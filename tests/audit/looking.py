"""Runs itk2-audit, and shows what it has found."""
import json
import os
import subprocess
from pathlib import Path

from life import LISTENER, PARSER, SPARE

TOOLS = Path(__file__).resolve().parents[2] / "tools"
PYTHON = os.environ.get("ITK2_AUDIT_PYTHON", "/usr/bin/python3")
FAKES = ("--listener-account", str(LISTENER), "--spare-account", str(SPARE), "--parser-account", str(PARSER))


def run(*arguments, wrapper=(), timeout=120):
    """The finished command."""
    done = subprocess.run([*wrapper, PYTHON, "-m", "itk2_audit", *map(str, arguments)], text=True, capture_output=True,
                          timeout=timeout, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(TOOLS), "LANG": "C.UTF-8",
                                                "PYTHONDONTWRITEBYTECODE": "1"})
    assert "Traceback" not in done.stderr, done.stderr
    return done


class Report:
    """One audit in JSON."""

    def __init__(self, line):
        self.whole = json.loads(line)
        self.findings = self.whole["findings"]

    @property
    def checks(self):
        return {one["check"] for one in self.findings}

    def of(self, pid):
        """The checks that found something about this process."""
        return {one["check"] for one in self.findings if one["pid"] == pid}

    def role(self, pid):
        return next(one["role"] for one in self.whole["processes"] if one["pid"] == pid)

    def __str__(self):
        return "\n".join(f"{one['pid']} {one['role']} {one['check']}: {one['wrong']}" for one in self.findings)


def look(pid, *arguments, **options):
    """The Report of one audit; the exit status has to agree."""
    done = run(pid, "--json", *arguments, **options)
    assert done.returncode in (0, 1), done.stderr
    report = Report(done.stdout)
    assert (done.returncode == 0) == (not report.findings) == report.whole["holds"]
    return report
