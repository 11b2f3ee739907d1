"""Real servers audited while they serve: this one under a mixed load, through a graceful restart; and mpm-itk, where
the audit must find what is wrong with it."""
import os
import subprocess

import pytest

from expected import EXPECTED
from itk2_testing import accounts
from itk2_testing.configuration import Plan
from itk2_testing.load import Load
from itk2_testing.waiting import poll
from itk2_testing.waiting_script import RunningRequest
from looking import PYTHON, TOOLS, Report, look

USERS = 100
ROUNDS = 4
IDENTITIES = [f"--identity={user.name}:{','.join([user.name] + ['itk2extra'] * (len(user.groups) > 1))}"
              for user in accounts.accounts(USERS)]


class Watch:
    """itk2-audit beside the test, round after round."""

    def __init__(self, server, *arguments):
        self.said, self.errors = server.directory / "audit.json", server.directory / "audit.errors"
        self.process = subprocess.Popen(
            [PYTHON, "-m", "itk2_audit", str(server.master.pid), "--json", "--watch", "0.2", *arguments],
            stdout=self.said.open("w"), stderr=self.errors.open("w"),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(TOOLS), "PYTHONDONTWRITEBYTECODE": "1"})

    def reports(self):
        return [Report(line) for line in self.said.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def wait_for_rounds(self, count):
        def there():
            assert self.process.poll() is None, self.errors.read_text()
            return len(self.reports()) >= count
        poll(there, lambda: f"{len(self.reports())} rounds; {self.errors.read_text()}", deadline=180)

    def end(self):
        self.process.terminate()
        assert self.process.wait(60) in (0, 1), self.errors.read_text()
        return self.reports()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)


def unexpected(reports):
    return sorted({f"{one['role']} {one['invariant']} {one['check']}: {one['wrong']}"
                   for report in reports for one in report.findings
                   if one["role"] not in EXPECTED.get(one["check"], ("",))[0].split()})


@pytest.fixture(scope="module")
def busy(module_servers, tree):
    """All reports of audits of a server of 100 users: under load, while it restarts, and at rest."""
    sites = module_servers.user_sites(USERS)
    for site in sites:
        site.lines = (f"CustomLog @DIR@/{site.name}.log common",)
    # One that only a parser can tell.
    other = accounts.account(1)
    sites[0].lines += (f"Alias /inner {tree.docroot(other)}",
                       f'<Location "/inner">\nAssignUserID {other.name} {other.name}\n</Location>')
    server = module_servers.make(Plan("itk2", sites, limits={"MaxRequestWorkers": 60, "ServerLimit": 60},
                                      lines=('CustomLog "|/bin/cat" common',) * 2)).start()
    with Watch(server, *IDENTITIES) as watch, Load(server, clients=4, first_site=1) as load:
        watch.wait_for_rounds(ROUNDS)
        server.graceful()
        for number in range(ROUNDS):
            assert server.get("/inner/who.txt", "v0.test").status == 200
            watch.wait_for_rounds(ROUNDS + 1 + number)
        totals = load.stop()
        # At rest: spares and parsers that nobody calls stay what they are.
        watch.wait_for_rounds(len(watch.reports()) + 3)
        reports = watch.end()
    assert not totals.failures and {True, False} == {tls for tls, _, _ in totals.seen}, totals
    return server, reports


def test_nothing_unexpected_is_found_under_load(busy):
    _, reports = busy
    assert len(reports) >= 2 * ROUNDS and not unexpected(reports), "\n".join(unexpected(reports)[:20])


def test_all_roles_and_many_identities_were_seen(busy):
    _, reports = busy
    roles = {one["role"] for report in reports for one in report.whole["processes"]}
    assert {"master", "listener", "scribe", "spare", "parser", "worker", "program"} <= roles <= {
        "master", "listener", "scribe", "spare", "parser", "worker", "program", "newborn", "resolver", "teller"}
    uids = {one["threads"][0]["uids"][0] for report in reports for one in report.whole["processes"]
            if one["role"] == "worker"}
    # One that is about to drop root may be seen too; whoever stays somebody else is a finding of the check `identity`.
    assert len(uids & {user.uid for user in accounts.accounts(USERS)}) > USERS // 2


def test_clients_were_seen_with_listener_and_workers_alone(busy):
    server, reports = busy
    ports = tuple(f"tcp port {port} to" for port in server.ports.values())
    holders = {one["role"] for report in reports for one in report.whole["processes"]
               for descriptor in one["descriptors"] if descriptor.get("socket", "").startswith(ports)}
    assert {"listener", "worker"} <= holders <= {"listener", "worker", "parser", "program"}


def test_channels_were_looked_at(busy):
    _, reports = busy
    assert not [one for report in reports for one in report.whole["unseen"] if one["invariant"] == "I13"]


def test_everything_expected_is_still_found(busy):
    """Else its entry in expected.py is a lie."""
    _, reports = busy
    found = {one["check"] for report in reports for one in report.findings}
    assert set(EXPECTED) <= found, f"keeps by now: {set(EXPECTED) - found}"


def test_identity_that_is_not_named_is_found(busy):
    server, _ = busy
    assert server.get("/who.txt", "v5.test").status == 200
    assert "identity" in look(server.master.pid, *IDENTITIES[:5], *IDENTITIES[6:]).checks


# What is wrong with prefork and mpm-itk: a process that reads a client may become anybody, and all share everything.
WRONG_THERE = {"worker-capabilities", "client-and-privilege", "listening", "shared-memory", "shared-lock", "shared-log",
               "worker-filter"}


def test_mpm_itk_is_found_to_break_what_it_breaks(servers):
    sites = servers.user_sites(3)
    for site in sites:
        site.lines = (f"CustomLog @DIR@/{site.name}.log common",)
    server = servers.start("itk", sites=sites)
    running = RunningRequest(server)  # its process is the site's user; that of the stalled head may become anybody
    running.begun()
    with server.connect() as stalled:
        stalled.send(b"GET / HTTP/1.1\r\n")
        report = look(server.master.pid, "--foreign")
    assert running.finish().status == 200
    assert WRONG_THERE <= report.checks, report
    assert not {one["pid"] for one in report.findings if one["role"] in ("master", "program")}


def test_mpm_itk_is_not_taken_for_this(servers):
    server = servers.start("itk", 1)
    done = subprocess.run([PYTHON, "-m", "itk2_audit", str(server.master.pid)], text=True, capture_output=True,
                          timeout=60, env={"PYTHONPATH": str(TOOLS), "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 2 and "--foreign" in done.stderr
