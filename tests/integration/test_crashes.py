"""A worker that crashes of what it serves: replaced at once; again and again: its own site waits, and nobody else."""
import re
import signal

import pytest

from itk2_testing import accounts
from itk2_testing.client import Broken, Who
from itk2_testing.load import Load
from itk2_testing.private_files import write

CRASH_PHP = "<?php posix_kill(getmypid(), SIGSEGV_NUMBER);".replace("SIGSEGV_NUMBER", str(signal.SIGSEGV.value))
DIED = (r"ITK2301: worker of itk2t000 .* ended unexpectedly \(signal 11\)", r"AH00051")
AT_BIRTH = "ITK2302"
AGAIN_AND_AGAIN = r"ITK2305: workers of itk2t000 crash again and again"


@pytest.fixture
def crash(tree):
    user = accounts.account(0)
    path = tree.docroot(user) / "crash.php"
    write(path, CRASH_PHP, user)
    yield "/crash.php"
    path.unlink()


def crashes(server, path):
    try:
        server.get(path, "v0.test")
    except (Broken, OSError):
        return True
    return False


def test_a_crash_of_a_worker_that_has_served_is_none_at_birth(servers, kind, crash):
    """Young as it is: within two seconds of its birth."""
    server = servers.start(kind, 1)
    server.allow(*DIED)
    for _ in range(2):
        assert Who.of(server.get("/who.php", "v0.test")).is_account(accounts.account(0))
        assert crashes(server, crash)
    assert Who.of(server.get("/who.php", "v0.test")).is_account(accounts.account(0))
    server.expect(DIED[0])
    assert AT_BIRTH not in server.log() and not re.search(AGAIN_AND_AGAIN, server.log())


def test_crashes_again_and_again_make_their_own_site_wait_and_no_other(servers, kind, crash):
    server = servers.start(kind, 3)
    server.allow(*DIED, AT_BIRTH)
    with Load(server, clients=2, first_site=1) as load:
        for _ in range(15):
            assert crashes(server, crash)
        totals = load.stop()
    assert totals.failures == [] and totals.requests > 0
    server.expect(AGAIN_AND_AGAIN)
    waits = [int(wait) for wait in re.findall(r"ITK2305: .* the next one in (\d+) ms", server.log())]
    assert waits == sorted(waits) and waits[-1] <= 1000, waits
    assert Who.of(server.get("/who.php", "v0.test")).is_account(accounts.account(0))
