"""Random bytes up every channel, from each position: who sends them is ended and named in the log; all others go on."""
import random
import re

import pytest

import hostile_listener
from attacking import plan, say_go
from hostile_listener import HostileListener
from itk2_testing.client import Broken
from itk2_testing.waiting import poll
from test_master_link import forge

DECIDED = {"site": "decided.test", "path": "/page.txt", "at": "fixups"}
ROUNDS = 12
MESSAGE = 16


def noise(seed):
    """A few messages' worth, most of them in whole messages: a type that could be one, the rest at random."""
    dice = random.Random(seed)
    parts = []
    for _ in range(dice.randrange(1, 6)):
        length = MESSAGE * dice.randrange(1, 9) if dice.random() < 0.7 else dice.randrange(1, 200)
        part = bytearray(dice.randbytes(length))
        if dice.random() < 0.5:
            part[0] = dice.randrange(1, 24)
        parts.append(bytes(part))
    return parts


@pytest.fixture(scope="module")
def target(module_servers, native, found):
    instance = module_servers.make(plan("itk2", native, lines=hostile_listener.LINES))
    made = HostileListener(instance, native, found)
    instance.allow(r"ITK2102", r"ITK2107", r"ITK2205", r"ITK2207", r"ITK2208", r"ITK2301", r"ITK2303")
    instance.start()
    return made


class Bystanders:
    """Connections that are kept open while somebody else makes noise, each with an answer before and after."""

    def __init__(self, target):
        self.target = target

    def __enter__(self):
        self.connections = [(self.target.instance.connect(), "undecided.test", path)
                            for path in ("/page.txt", "/other/page.txt") for _ in range(3)]
        self.ask()
        return self

    def ask(self):
        for connection, site, path in self.connections:
            answer = connection.get(path, site)
            assert answer.status == 200 and answer.body == b"a page\n", answer

    def __exit__(self, *_):
        for connection, _, _ in self.connections:
            connection.close()


@pytest.mark.parametrize("role", ["master", "listener"])
def test_a_parser_that_makes_noise_is_ended_and_nobody_else_notices(target, role):
    target.serves()
    target.serves()  # from now on by workers that stay
    with Bystanders(target) as bystanders:
        for seed in range(ROUNDS):
            report = forge(target, noise(seed), role=role)
            assert not report.outcomes("after uid_map") or report.outcome("after uid_map") == "", report
            bystanders.ask()
    code = {"master": "ITK220[78]", "listener": "ITK2303|ITK2205"}[role]
    assert len(re.findall(code, target.instance.log())) >= 1
    target.serves()


def test_a_worker_that_makes_noise_is_ended_and_nobody_else_notices(target):
    target.serves()
    with Bystanders(target) as bystanders:
        for seed in range(ROUNDS):
            before = len(re.findall("ITK2303: worker of itk2t004", target.instance.log()))
            go = target.go_file()
            connection, report = target.begin(f"write-up {go} 1 " + " ".join(part.hex() for part in noise(seed)),
                                              **DECIDED)
            with connection:
                told = report.wait_for("pipes told")
                read = {name for listener in target.instance.in_role("listener")
                        for name in listener.descriptors().values()}
                up = [inode for inode in told.outcomes("pipe") if f"pipe:[{inode}]" in read]
                assert len(up) == 1, "its channel"
                say_go(go, up[0])
                try:
                    connection.answer()
                except (Broken, OSError):
                    pass
            poll(lambda: len(re.findall("ITK2303: worker of itk2t004", target.instance.log())) > before,
                 lambda: f"no line in the log after {noise(seed)}")
            bystanders.ask()
    target.serves()


def test_a_listener_that_makes_noise_is_replaced_and_no_worker_is_harmed(target):
    """Idle connections are lost with it; the master, the sites and their next requests are not."""
    for seed in range(ROUNDS):
        target.serves()
        listener = target.instance.in_role("listener")[0]
        before = len(re.findall("ITK2107", target.instance.log()))
        go = target.go_file()
        report = target.begin_in_listener(f"write-up {go} 1 " + " ".join(part.hex() for part in noise(seed)))
        told = report.wait_for("pipes told")
        read = set(target.instance.master.descriptors().values())
        up = [inode for inode in told.outcomes("pipe") if f"pipe:[{inode}]" in read]
        assert len(up) == 1, told
        say_go(go, up[0])
        poll(lambda: len(re.findall("ITK2107", target.instance.log())) > before,
             lambda: f"no line in the log after {noise(seed)}")
        poll(lambda: not listener.alive(), "the listener that was ended lives")

        def serves_again():
            try:
                target.serves()
                return True
            except (Broken, OSError):
                return False
        poll(serves_again, "no listener takes its place")


def test_the_master_is_the_same_after_all_of_it(target):
    assert target.instance.master.alive()
    target.serves()
