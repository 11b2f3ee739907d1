"""HAProxy and nginx that keep connections to the server and mix all clients' requests on them: no client sees it."""
import itertools

import pytest

from itk2_testing import accounts, private_files
from itk2_testing.configuration import Plan, Site
from itk2_testing.front_proxies import Clients, FrontProxy
from itk2_testing.migration import intended

USERS = accounts.accounts(6)
_numbers = itertools.count()

programs = pytest.mark.parametrize("program", ["haproxy", "nginx"])
both = pytest.mark.holds_for("itk")


def make_server(servers, kind, tree, *lines):
    folder = tree.root / "behind"
    if not folder.exists():
        private_files.folder(folder, USERS[0], 0o755, htaccess=False)
        private_files.folder(folder / "four", USERS[4])
        private_files.folder(folder / "five", USERS[5])
        (folder / USERS[4].name).symlink_to(folder / "four")
        (folder / USERS[5].name).symlink_to(folder / "five")
    sections = tuple(f"<Location /{name}>\nAssignUserID {user.name} {user.name}\n</Location>"
                     for name, user in (("four", USERS[4]), ("five", USERS[5])))
    expressions = ("ServerAlias *.all.test", 'SetEnvIf Host "^([^.]+)" ITKUID=$1', f"VirtualDocumentRoot {folder}/%1",
                   "AssignUserIDExpr %{reqenv:ITKUID}", "AssignGroupIDExpr %{reqenv:ITKUID}")
    sites = servers.user_sites(4) + [Site("paths.test", folder, f"{USERS[0].name} {USERS[0].name}", sections),
                                     Site("all.test", folder, lines=expressions)]
    server = servers.make(Plan(kind, sites, lines=lines, modules=("vhost_alias",), tls=False)).start()
    server.allow(r"ITK2601: ", r"\[mpm_itk:")
    return server


@pytest.fixture(scope="module")
def server(module_servers, kind, tree):
    return make_server(module_servers, kind, tree)


@pytest.fixture(scope="module")
def rerouting(module_servers, kind, tree):
    return make_server(module_servers, kind, tree, "RerouteFrom 127.0.0.1")


HOSTS = [(f"v{number}.test", "/who.php", USERS[number]) for number in range(4)]
EXPRESSIONS = [(f"{user.name}.all.test", "/who.php", user) for user in USERS[4:]]
PATHS = [("paths.test", "/four/who.php", USERS[4]), ("paths.test", "/five/who.php", USERS[5])]
ALL = HOSTS + EXPRESSIONS + PATHS


def front(program, server, tree, **options):
    return FrontProxy(program, server, tree.root / f"proxy-{next(_numbers)}", **options)


def names(places):
    return sorted({host for host, _, _ in places})


@both
@programs
def test_pool_for_each_site_serves_every_method(server, tree, program):
    """Nothing else is needed where a site is one identity."""
    places = HOSTS + EXPRESSIONS
    with front(program, server, tree, sites=names(places)) as proxy:
        clients = Clients(proxy.port, places, posts=0.3).run()
    assert clients.failures == [] and clients.answered == 300


@programs
def test_pool_for_all_sites_serves_what_a_proxy_asks_again(server, tree, program):
    """GET, once the proxy asks again on another connection when one ends without an answer."""
    with front(program, server, tree) as proxy:
        clients = Clients(proxy.port, ALL).run()
    assert clients.failures == [] and clients.answered == 300


@programs
def test_pool_for_all_sites_serves_every_method_when_the_proxy_is_named(rerouting, tree, program):
    with front(program, rerouting, tree, retries=False) as proxy:
        clients = Clients(proxy.port, ALL, posts=0.3).run()
    assert clients.failures == [] and clients.answered == 300
    assert len(clients.pids) < 100, f"{len(clients.pids)} processes for 6 users and 10 clients"


@programs
def test_pool_for_all_sites_without_any_of_it_shows_errors_to_clients(server, tree, program):
    """The control: what the settings above are for is there, and these clients see it."""
    intended("pooling-proxy")
    with front(program, server, tree, retries=False) as proxy:
        clients = Clients(proxy.port, ALL, posts=1.0).run()
    assert clients.failures


@programs
def test_proxy_that_comes_again_after_a_graceful_restart_is_served(rerouting, tree, program):
    with front(program, rerouting, tree, retries=False) as proxy:
        assert Clients(proxy.port, ALL, clients=4, requests=10).run().failures == []
        rerouting.graceful()
        assert Clients(proxy.port, ALL, clients=4, requests=10).run().failures == []
