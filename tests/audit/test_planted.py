"""Each promise broken by one fake: the audit names that process and that check, and nothing else."""
import os

import pytest

from itk2_audit import auditing, command
from itk2_audit.finding import CHECKS
from life import ONE, OTHER, SPARE
from looking import FAKES, look, run
from plants import PLANTS, becomes, both, having, keeping, opened, opening

# Found only by looking twice.
OVER_TIME = {"second-identity", "second-life"}


def test_fakes_that_keep_every_promise_are_found_to(planted):
    nothing, log = having(), opened("log", os.O_WRONLY | os.O_APPEND)
    piped_logs = opening(lambda life: os.pipe()[1]), opening(lambda life: os.pipe()[1])
    plants = {"one": both(log, keeping("write end")), "spare": log,
              "scribe": both(keeping("read end"), both(*piped_logs)),
              "resolver": nothing, "teller": nothing, "program": having(uids=(ONE,) * 3)}
    with planted(**plants) as server:
        report = look(server.master, *FAKES)
        assert not report.findings, report
        assert {place: report.role(pid) for place, pid in server.pids.items()} == {
            "master": "master", "listener": "listener", "spare": "spare", "parser": "parser", "one": "worker",
            "two": "worker", "scribe": "scribe", "resolver": "resolver", "teller": "teller", "program": "program"}


@pytest.mark.parametrize("name", PLANTS)
def test_planted(planted, name):
    plant = PLANTS[name]
    with planted(**{**plant.others, plant.place: plant.change}) as server:
        if plant.maps:
            server.map_ids(plant.place, *plant.maps)
        options = ("--newborn", "0") if name == "a worker that is root" else ()
        report = look(server.master, *FAKES, *plant.options, *options)
        assert plant.check in report.of(server.pids[plant.place]), f"{plant.check} is not found:\n{report}"
        assert report.checks <= {plant.check, *plant.also}, report
        assert report.of(server.pids["two"]) == set() or plant.place == "two" or plant.options, report


def test_workers_are_not_told_from_scribes_by_guessing(planted):
    """Where no spare was ever seen."""
    with planted(scribe=keeping("read end")) as server:
        done = run(server.master, "--json", *FAKES[:2], *FAKES[4:])
        assert done.returncode == 2 and "--spare-account" in done.stderr and not done.stdout, done


def over_time(planted, uid):
    """What an audit finds that has seen a worker before it changed its uid once more."""
    options = command.Options(command.parser().parse_args(FAKES))
    life, passing = auditing.Life(), []

    def change(life):
        life.permitted, life.on_signal = 1 << 7, lambda _life: becomes(uid)(_life)
    with planted(one=change) as server:
        for _ in range(2):
            _, found = auditing.audit(server.master, options, life)
            passing.append({one.check for one in found if one.process.pid == server.pids["one"]})
            server.signal("one")
    return passing


@pytest.mark.parametrize("uid,check", [(OTHER, "second-identity"), (SPARE, "second-life")])
def test_second_life_of_a_worker(planted, uid, check):
    before, after = over_time(planted, uid)
    assert check not in before and check in after


def test_every_check_has_a_planted_violation():
    assert {plant.check for plant in PLANTS.values()} | OVER_TIME == set(CHECKS)
