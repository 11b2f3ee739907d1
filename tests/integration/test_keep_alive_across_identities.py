"""A kept connection belongs to one identity. A request for another one ends it as a keep-alive timeout would have: FIN,
not a byte, no reset; the client comes again. RerouteFrom lets the connections of named front proxies go on."""
import itertools
import select
import socket
import struct
import time

import pytest

from itk2_testing import accounts, private_files
from itk2_testing.asking import Asking
from itk2_testing.client import Who, request
from itk2_testing.configuration import Plan, Site
from itk2_testing.migration import intended
from itk2_testing.private_files import Facts

USERS = accounts.accounts(5)
PROXY = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n"

# Requests, as (host, path), and whose they are.
PLACES = {
    "site": ("v0.test", "/who.php", 0),
    "another-site": ("v1.test", "/who.php", 1),
    "same-user": ("w0.test", "/who.php", 0),
    "path": ("paths.test", "/two/who.php", 2),
    "another-path": ("paths.test", "/three/who.php", 3),
    "path-of-the-site": ("paths.test", "/who.php", 0),
    "expression": ("itk2t003.all.test", "/who.php", 3),
    "another-expression": ("itk2t002.all.test", "/who.php", 2),
}
PAIRS = list(itertools.permutations(PLACES, 2))
SAME = [(first, second) for first, second in PAIRS if PLACES[first][2] == PLACES[second][2]]
OTHER = [(first, second) for first, second in PAIRS if PLACES[first][2] != PLACES[second][2]]


def make_sites(servers, tree, folder):
    if not folder.exists():
        private_files.folder(folder, USERS[0], 0o755, htaccess=False)
        private_files.folder(folder / "two", USERS[2])
        private_files.folder(folder / "three", USERS[3])
        (folder / "nice").mkdir()
        private_files.open_folder(folder / "nice" / "facts")
        for user in USERS[2:4]:
            (folder / user.name).symlink_to(folder / {2: "two", 3: "three"}[user.uid % 10])
    sections = tuple(f"<Location /{name}>\nAssignUserID {user.name} {user.name}\n</Location>"
                     for name, user in (("two", USERS[2]), ("three", USERS[3])))
    sections += ("<Location /nice>\nNiceValue 5\n</Location>",)
    expressions = ("ServerAlias *.all.test", 'SetEnvIf Host "^([^.]+)" ITKUID=$1', f"VirtualDocumentRoot {folder}/%1",
                   "AssignUserIDExpr %{reqenv:ITKUID}", "AssignGroupIDExpr %{reqenv:ITKUID}")
    own = f"{USERS[0].name} {USERS[0].name}"
    sites = servers.user_sites(2)
    return sites + [Site("w0.test", tree.docroot(USERS[0]), own), Site("paths.test", folder, own, sections),
                    Site("all.test", folder, lines=expressions)]


def start(servers, kind, tree, *lines, **options):
    sites = make_sites(servers, tree, tree.root / "across")
    server = servers.make(Plan(kind, sites, modules=("vhost_alias", "remoteip"), lines=lines, **options)).start()
    server.allow(r"ITK2601: ", r"\[mpm_itk:", r"\[core:info\]", r"AH03492: ")
    return server


@pytest.fixture(scope="module")
def server(module_servers, kind, tree):
    return start(module_servers, kind, tree, listen=("127.0.0.1:@PORT0@",))


@pytest.fixture(scope="module")
def rerouting(module_servers, kind, tree):
    return start(module_servers, kind, tree, "RerouteFrom 127.0.0.1 192.0.2.0/24 ::/120")


@pytest.fixture(scope="module")
def asking(server):
    return Asking(server)


def connect(asking, place, tls):
    """A connection that belongs to that place's user."""
    host, path, user = PLACES[place]
    connection, answer = asking.connect(path, host, tls)
    assert Who.of(answer).is_account(USERS[user]) and answer.keeps(), answer
    return connection


def ask(connection, place):
    host, path, user = PLACES[place]
    answer = connection.get(path, host)
    assert Who.of(answer).is_account(USERS[user]) and answer.keeps(), answer


both = pytest.mark.holds_for("itk")
transports = pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])


@both
@transports
@pytest.mark.parametrize("first,second", SAME)
def test_request_of_the_same_identity_goes_on(asking, first, second, tls):
    # TLS: a connection is its name's; Host may be another one of the same identity.
    with connect(asking, first, tls) as connection:
        for place in (second, first, second):
            ask(connection, place)


@transports
@pytest.mark.parametrize("first,second", OTHER)
def test_request_of_another_identity_ends_the_connection_without_a_byte(asking, first, second, tls):
    intended("another-users-request")
    for pause, again in ((0, 0), (0.05, 1)):
        with connect(asking, first, tls) as connection:
            for _ in range(again):
                ask(connection, first)
            time.sleep(pause)
            assert connection.send(request(PLACES[second][1], PLACES[second][0])).ended_without_bytes()
        connect(asking, second, tls).close()


@pytest.mark.parametrize("method,body", [("HEAD", b""), ("POST", b"x" * 100), ("POST", b"x" * (1 << 20)),
                                         ("DELETE", b"")])
@pytest.mark.parametrize("first,second", [("site", "another-site"), ("path", "another-path"), ("path", "site"),
                                          ("expression", "another-expression")])
def test_every_method_is_ended_without_a_byte_and_without_a_reset(server, first, second, method, body):
    with server.connect() as connection:
        ask(connection, first)
        try:
            connection.send(request(PLACES[second][1], PLACES[second][0], method, body=body))
        except (BrokenPipeError, ConnectionResetError):
            # It ended while a body larger than anybody has to take was still on its way.
            assert len(body) > 100_000
        else:
            assert connection.ended_without_bytes()


def test_end_is_fin_and_not_reset(server):
    """Seen by poll: POLLRDHUP, no POLLERR or POLLHUP, and no error waits in the socket."""
    with server.connect() as connection:
        ask(connection, "path")
        connection.send(request(PLACES["another-path"][1], PLACES["another-path"][0]))
        watch = select.poll()
        watch.register(connection.socket, select.POLLRDHUP)
        (_, events), = watch.poll(15_000)
        assert events & select.POLLRDHUP and not events & (select.POLLERR | select.POLLHUP)
        assert connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        assert connection.socket.recv(1) == b""


def test_client_that_half_closes_after_its_request_still_gets_its_answer(server):
    with server.connect() as connection:
        connection.send(request("/two/who.php", "paths.test")).shut()
        assert Who.of(connection.answer()).is_account(USERS[2])


def test_reset_in_the_place_of_a_second_request_harms_nobody(server):
    for _ in range(20):
        with server.connect() as connection:
            ask(connection, "path")
            connection.send(request(PLACES["another-path"][1], PLACES["another-path"][0]))
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with server.connect() as connection:
        ask(connection, "another-path")


def test_place_with_another_nice_value_is_another_identity(server):
    intended("nice-value")
    with server.connect() as connection:
        assert Who.of(connection.get("/who.php", "paths.test")).is_account(USERS[0])
        assert connection.send(request("/nice/facts/facts.php", "paths.test")).ended_without_bytes()
    facts = Facts.of(server.get("/nice/facts/facts.php", "paths.test"))
    assert (facts.uid, facts.nice) == (USERS[0].uid, 5)


def test_http_1_0_keep_alive_is_no_different(server):
    with server.connect() as connection:
        alive = {"version": "HTTP/1.0", "headers": ("Connection: keep-alive",)}
        assert Who.of(connection.get("/who.php", "v0.test", **alive)).is_account(USERS[0])
        assert Who.of(connection.get("/who.php", "w0.test", **alive)).is_account(USERS[0])
        assert connection.send(request("/who.php", "v1.test", **alive)).ended_without_bytes()


def test_hundreds_of_kept_connections_of_mixed_places_each_go_on(server):
    """No hint that others teach moves a connection that is bound already."""
    places = list(PLACES)
    kept = [(places[number % len(places)], server.connect()) for number in range(160)]
    for _ in range(3):
        for place, connection in kept:
            ask(connection, place)
    for _, connection in kept:
        connection.close()


# -- named front proxies -------------------------------------------------------------------------------------

def test_connection_of_a_named_proxy_goes_from_identity_to_identity(rerouting):
    with rerouting.connect() as connection:
        for first, second in PAIRS:
            ask(connection, first)
            ask(connection, second)


def test_connection_of_a_named_proxy_goes_on_after_posts_and_pauses(rerouting):
    with rerouting.connect() as connection:
        for place in list(PLACES) * 2:
            host, path, user = PLACES[place]
            assert Who.of(connection.get(path, host, method="POST", body=b"a=b")).is_account(USERS[user])
            time.sleep(0.02)


def test_pipelined_requests_of_a_named_proxy_are_each_served_by_the_right_user(rerouting):
    """Each head is read alone: what comes with it is the next one's worker's."""
    order = ["site", "another-site", "path", "same-user", "expression"] * 4
    with rerouting.connect() as connection:
        connection.send(b"".join(request(PLACES[place][1], PLACES[place][0]) for place in order))
        for place in order:
            assert Who.of(connection.answer()).is_account(USERS[PLACES[place][2]])


def test_tls_connection_of_a_named_proxy_is_bound_all_the_same(rerouting):
    """Its state is in its worker."""
    with rerouting.connect(tls=True, sni="v0.test") as connection:
        ask(connection, "site")
        assert connection.send(request("/who.php", "v1.test")).ended_without_bytes()


def test_connection_of_nobody_named_is_bound(rerouting):
    with rerouting.connect(source=("127.0.0.9", 0)) as connection:
        ask(connection, "site")
        assert connection.send(request("/who.php", "v1.test")).ended_without_bytes()


def test_connection_from_a_named_v6_network_goes_on(rerouting):
    with rerouting.connect(host="::1") as connection:
        for place in PLACES:
            ask(connection, place)


def test_address_that_a_client_only_claims_is_not_named(servers, kind, tree):
    """What a PROXY header or X-Forwarded-For says of the client is not where the connection comes from."""
    server = start(servers, kind, tree, "RerouteFrom 192.0.2.0/24", "RemoteIPProxyProtocol On",
                   "RemoteIPHeader X-Forwarded-For", "RemoteIPInternalProxy 127.0.0.1", tls=False)
    with server.connect(first=PROXY) as connection:
        assert Who.of(connection.get("/who.php", "v0.test", headers=("X-Forwarded-For: 192.0.2.7",)))
        again = request("/who.php", "v1.test", headers=("X-Forwarded-For: 192.0.2.7",))
        assert connection.send(again).ended_without_bytes()


def test_proxy_protocol_of_a_named_proxy_goes_on(servers, kind, tree):
    server = start(servers, kind, tree, "RerouteFrom 127.0.0.1", "RemoteIPProxyProtocol On", tls=False)
    with server.connect(first=PROXY) as connection:
        for place in PLACES:
            ask(connection, place)


@pytest.mark.parametrize("words", ["localhost", "127.0.0.1/33", "300.1.1.1", "::1/129", "127.0.0.1/x", "/8", ""])
def test_address_that_is_none_is_refused(servers, kind, words):
    server = servers.make(Plan(kind, servers.user_sites(1), lines=(f"RerouteFrom {words}",), tls=False, php=False))
    server.allow(".")
    done = server.try_start()
    said = done.stdout + done.stderr + server.log()
    assert done.returncode != 0 and "RerouteFrom" in said and not server.survivors(), said
