"""One run of wrk, bounded in time, and what it says."""
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("requests.lua")
PATIENCE = 10  # seconds beyond its time: a server whose backlog is full holds wrk in its first connect
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60000.0}


@dataclass(frozen=True)
class Run:
    rate: float    # requests per second
    p99: float     # milliseconds; 0 when nothing was answered
    errors: dict   # {kind: count}, only what there was
    requests: int = 0

    @classmethod
    def of(cls, text):
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
        number, unit = re.search(r"\s99%\s+([\d.]+)(us|ms|s|m)\b", text).groups()
        errors = {}
        sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
        if sockets:
            errors = dict(zip(("connect", "read", "write", "timeout"), map(int, sockets.groups())))
        refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        if refused:
            errors["not 2xx"] = int(refused.group(1))
        return cls(rate, float(number) * _MILLISECONDS[unit] if rate else 0.0,
                   {kind: count for kind, count in errors.items() if count},
                   int(re.search(r"(\d+) requests in", text).group(1)))


def run(server, row, seconds):
    # The name localhost is the first site's too: wrk sends as SNI what the URL says.
    url = f"https://localhost:{server.ports['https']}" if row.tls else f"http://127.0.0.1:{server.ports['http']}"
    if row.found:
        url = f"http://127.0.0.1:{server.spare_ports[0]}"
    command = ["wrk", "-t1", f"-c{row.clients}", f"-d{seconds}s", "--latency", "-s", str(SCRIPT), url, "--",
               row.path, str(row.sites), "new" if row.new else "kept",
               "itk2t%03d.test" if row.found else "v%d.test"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + PATIENCE)
    except subprocess.TimeoutExpired:
        return Run(0.0, 0.0, {"no answer": 1})
    if done.returncode:
        return Run(0.0, 0.0, {(done.stdout + done.stderr).strip() or "wrk failed": 1})
    return Run.of(done.stdout)
