"""Others ask while many connections are held: the server's own rate without those is what it is compared to."""
import select
import time

from itk2_testing.client import Broken
from itk2_testing.crowd import Crowd
from itk2_testing.waiting import poll

from contenders import WORKERS
from wrk import run

UNTIL_FULL = 15  # seconds: some servers take so long to start as many processes as they may
GATHERED = 30    # seconds for a crowd to come


def answers(server, patience=1.0):
    try:
        return server.get("/1k.html", timeout=patience).status == 200
    except (OSError, Broken):
        return False


def wait_while_answering(server, seconds):
    end = time.monotonic() + seconds
    while answers(server) and time.monotonic() < end:
        time.sleep(0.2)


def most_held(contender, crowd):
    """How many connections it takes before it answers nobody else: a process or thread each, or what event allows."""
    if contender.kind == "itk2":
        return crowd.count
    return 2 * WORKERS if contender.kind == "event" and not crowd.stalled else WORKERS


def gather(contender, crowd):
    """Connects the crowd; where the server does not hold all of it, until it has no further process."""
    enough = min(crowd.count, most_held(contender, crowd))
    try:
        crowd.gather(enough, GATHERED)
    except AssertionError:  # then it is what has come that is held; `lost` says how many have not
        pass
    if enough < crowd.count:
        wait_while_answering(contender.server, UNTIL_FULL)


def lost(crowd):
    """How many of the crowd the server has not taken, or has ended."""
    ended = sum(bool(events & ~select.EPOLLOUT) for _, events in crowd.epoll.poll(0, crowd.count))
    return crowd.count - crowd.done + crowd.ended + ended


def measure(contender, row, seconds):
    """The run while nobody holds anything, the run among the crowd, and how many of the crowd were lost."""
    poll(lambda: answers(contender.server), f"{contender.name} does not answer", deadline=120, every=0.2)
    alone = run(contender.server, row, seconds)
    with Crowd(contender.server, row.crowd, row.held == "stalled", path=row.path) as crowd:
        gather(contender, crowd)
        return alone, run(contender.server, row, seconds), lost(crowd)
