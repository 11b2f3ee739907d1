"""Waiting as polling with a generous deadline: the only clock in these tests."""
import time

DEADLINE = 30.0


def poll(condition, what, deadline=DEADLINE, every=0.02):
    """Asks until condition() is true and gives what it gave; fails with `what` after the deadline."""
    end = time.monotonic() + deadline
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"waited {deadline:.0f} s in vain: {what() if callable(what) else what}"
        time.sleep(every)
