"""Every answer is made by the user of its site, over plain and TLS connections, new and kept."""
import contextlib
import os
import signal

import pytest

from itk2_testing import accounts
from itk2_testing.client import Who
from itk2_testing.configuration import Plan
from itk2_testing.hanging_names import CALLS, HangingNames
from itk2_testing.load import Load
from itk2_testing.sites import static_content


@pytest.mark.holds_for("itk")
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_php_and_static_files_are_served_as_the_sites_user(servers, kind, tls):
    server = servers.start(kind, 4)
    for number, user in enumerate(accounts.accounts(4)):
        site = f"v{number}.test"
        who = Who.of(server.get("/who.php", site, tls=tls))
        assert who.is_account(user) and who.site == site, who
        static = server.get("/who.txt", site, tls=tls)
        assert (static.status, static.body.decode()) == (200, static_content(user))


def test_files_of_a_site_are_closed_to_the_server_without_its_user(servers):
    """The control: what the proof by 0400 files rests on."""
    server = servers.start("prefork", 1, user="www-data www-data")
    assert server.get("/who.txt").status == 403
    server.allow("AH00529: ")


def test_100000_mixed_requests_of_100_users_are_all_answered_by_the_right_uid(servers, kind):
    """100 sites of 100 users, static and PHP, HTTP and HTTPS, kept and new connections, 8 clients."""
    server = servers.start(kind, 100, limits={"ServerLimit": 400, "MaxRequestWorkers": 400})
    load = Load(server, clients=8, requests=100_000)
    totals = load.run()
    print(totals)
    assert totals.requests == 100_000
    assert totals.failures == []
    assert totals.seen >= {(tls, kept, php) for tls in (False, True) for kept in (False, True) for php in (False, True)}


@pytest.mark.holds_for("itk")
def test_a_smaller_mixed_load_is_answered_by_the_right_uid(servers, kind):
    server = servers.start(kind, 10)
    totals = Load(server, clients=4, requests=2_000).run()
    assert totals.failures == [] and totals.requests == 2_000


@pytest.mark.parametrize("how", [*CALLS, "lying", "gone"])
def test_a_name_service_that_fails_at_run_time_changes_no_identity(servers, kind, tree, how):
    """Names have been resolved when the configuration was read: warm sites and cold ones, workers that are new, and
    identities that only a parser can tell, are whose they were."""
    names = HangingNames(tree.root / f"names-{how}")
    sites = servers.user_sites(6)
    inner = tree.docroot(accounts.account(7))
    sites[4].lines = (f"Alias /inner {inner}", '<Location "/inner">', "AssignUserID itk2t007 itk2t007", "</Location>")
    server = names.serve(servers.make(Plan(kind, sites, tls=False)))
    server.start()

    def all_are_whose_they_were():
        for number, site in enumerate(sites):
            assert Who.of(server.get("/who.php", site.name)).is_account(accounts.account(number))
        assert Who.of(server.get("/inner/who.php", sites[4].name)).is_account(accounts.account(7))
    assert Who.of(server.get("/who.php", "v0.test")).is_account(accounts.account(0))
    failing = {"lying": lambda: names.lying(accounts.account(9)), "gone": names.gone}
    with failing.get(how, lambda: names.hanging(how))():
        all_are_whose_they_were()
        for worker in server.in_role("worker"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGTERM)
        server.await_no_worker()
        all_are_whose_they_were()
    server.allow(r"ITK2301: ")


def test_the_name_service_is_the_one_that_is_asked(servers, kind, tree):
    """The control: a server that starts while it lies is another's."""
    names = HangingNames(tree.root / "names-control")
    server = names.serve(servers.make(Plan(kind, servers.user_sites(1), tls=False, php=False)))
    with names.lying(accounts.account(9)):
        server.start()
        assert server.get("/who.txt", "v0.test").status == 403
        assert {worker.status().uids[0] for worker in server.in_role("worker")} == {accounts.account(9).uid}
    server.allow("AH0", "AH1")
