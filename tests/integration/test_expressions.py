"""AssignUserIDExpr and AssignGroupIDExpr: whatever they say, it is the right user or a 500, never User, never root."""
import itertools
import os
import re
import time

import pytest

from itk2_testing import accounts, named_accounts, private_files, proc
from itk2_testing.client import Who, request
from itk2_testing.configuration import Plan, Site
from itk2_testing.hanging_names import CALLS, HangingNames
from itk2_testing.migration import intended
from itk2_testing.private_files import Facts
from itk2_testing.waiting import poll

USERS = accounts.accounts(7)
_marks = itertools.count()
BOTH = ("AssignUserIDExpr %{reqenv:ITKUID}", "AssignGroupIDExpr %{reqenv:ITKUID}")
MACRO = """<Macro MassSite $name>
<VirtualHost *:@PORT0@>
ServerName $name.macro.test
DocumentRoot @MASS@/$name
SetEnvIf Host "^([^.]+)" ITKUID=$1
AssignUserIDExpr %{reqenv:ITKUID}
AssignGroupIDExpr $name
</VirtualHost>
</Macro>
Use MassSite itk2t001
Use MassSite itk2t002"""

# Host name of the request, where @ stands for a user's name; lines of the site that answers all of these.
WAYS = {
    "setenvif": ("@.setenvif.test", (*BOTH, 'SetEnvIf Host "^([^.]+)" ITKUID=$1', "VirtualDocumentRoot @MASS@/%1")),
    "rewrite": ("@.rewrite.test", (*BOTH, "RewriteEngine On", r"RewriteCond %{HTTP_HOST} ^([^.]+)\.",
                                   "RewriteRule ^/(.*)$ @MASS@/%1/$1 [E=ITKUID:%1]")),
    "host": ("@", ("AssignUserIDExpr %{HTTP_HOST}", "AssignGroupIDExpr %{HTTP_HOST}",
                   "VirtualDocumentRoot @MASS@/%0")),
    "tolower": ("@.lower.test", ("SetEnvIf Host ^([^.]+) ITKUID=$1", "AssignUserIDExpr %{tolower:%{reqenv:ITKUID}}",
                                 "AssignGroupIDExpr %{tolower:%{reqenv:ITKUID}}", "VirtualDocumentRoot @MASS@/%1")),
    "two-parts": ("@.two.test", ("SetEnvIf Host ^itk2([^.]+) ITKUID=$1", "AssignUserIDExpr itk2%{reqenv:ITKUID}",
                                 "AssignGroupIDExpr itk2%{reqenv:ITKUID}", "VirtualDocumentRoot @MASS@/%1")),
    "in-directory": ("@.directory.test", ("SetEnvIf Host ^([^.]+) ITKUID=$1", "VirtualDocumentRoot @MASS@/%1",
                                          '<Directory "@MASS@">', *BOTH, "</Directory>")),
    "in-if": ("@.if.test", ("SetEnvIf Host ^([^.]+) ITKUID=$1", "VirtualDocumentRoot @MASS@/%1",
                            "AssignUserID itk2t099 itk2t099", '<If "reqenv(\'ITKUID\') =~ /^itk/">', *BOTH, "</If>")),
}
# What a client makes the expression say, in a path; nothing here may be served.
WRONG = {
    "root": "root", "zero": "%230", "zeros": "%2300", "many-zeros": "%23" + "0" * 40, "root-and-blank": "root%20",
    "blank-and-root": "%20root", "negative": "%23-1", "negative-number": "%23-30001", "no-id": "%234294967295",
    "wraps-to-root": "%234294967296", "wraps-to-a-user": "%234294997297",
    "wraps-to-a-user-64": "%2318446744073709581617",
    "hexadecimal": "%230x7531", "plus": "%23+30001", "blank-in-number": "%23%2030001", "number-and-more": "%2330001x",
    "number-sign-alone": "%23", "unknown": "no-such-user", "nothing": "", "64-KB": "a" * 65536,
    "64-KB-number": "%23" + "1" * 65536, "outside-the-range": "itk2t051", "number-outside-the-range": "%2330051",
    "far-outside-the-range": "%2330999",
    "user-of-the-server": "www-data", "daemon": "daemon", "tab": "itk2t001%09", "newline": "itk2t001%0a",
    "control-characters": "%01%02%1b%7f", "log-line": "x%0d%0a[Mon]%20forged", "not-ascii": "%c3%a4%ff",
    "colon": "itk2t001:x", "two-names": "itk2t001%20itk2t002", "upper-case": "ITK2T001",
}


def name_in(host, user):
    return host.replace("@", user.name)


@pytest.fixture(scope="module")
def mass(tree):
    """A private folder for each user, by name and by number; one for all."""
    root = tree.root / "mass"
    root.mkdir()
    root.chmod(0o755)
    for user in USERS:
        private_files.folder(root / user.name, user)
        (root / f"u{user.uid}").symlink_to(root / user.name)
    private_files.open_folder(root / "facts")
    marks = root / "facts" / "marks.php"
    marks.write_text('<?php touch(__DIR__ . "/made/" . basename($_GET["mark"]));')
    marks.chmod(0o644)
    return root


def yielding_lines(mass, kind):
    """Sites whose path says what the expression is: /u/WHAT/facts.php."""
    lines = ("RewriteEngine On", 'RewriteRule "^/u/([^/]*)/" - [E=ITKUID:$1]',
             f'AliasMatch "^/u/[^/]*/(.*)$" "{mass}/facts/$1"')
    limits = ("LimitUIDRange 30000 30050", "LimitGIDRange 30000 30500") if kind == "itk2" else ()
    return (lines + limits + ("AssignUserIDExpr %{reqenv:ITKUID}", "AssignGroupIDExpr itk2t001"),
            lines + limits + ("AssignUserID itk2t001 itk2t001", "AssignGroupIDExpr %{reqenv:ITKUID}"))


@pytest.fixture(scope="module")
def server(module_servers, kind, tree, mass):
    sites = [Site("plain.test", tree.docroot(USERS[0]), f"{USERS[0].name} {USERS[0].name}")]
    for name, (host, lines) in WAYS.items():
        alias = "ServerAlias " + (host.replace("@", "*") if "." in host else " ".join(user.name for user in USERS))
        sites.append(Site(f"way-{name}.test", mass, lines=tuple(line.replace("@MASS@", str(mass))
                                                           for line in (alias, *lines))))
    for name, lines in zip(("user-yields.test", "group-yields.test"), yielding_lines(mass, kind)):
        sites.append(Site(name, mass, lines=lines))
    numbers = ("ServerAlias *.number.test", 'SetEnvIf Host "^u([0-9]+)" ITKUID=#$1', f"VirtualDocumentRoot {mass}/%1")
    sites.append(Site("way-number.test", mass, lines=numbers + BOTH))
    plan = Plan(kind, sites, modules=("vhost_alias", "macro"), listen=("127.0.0.1:@PORT0@",),
                lines=("LimitRequestLine 200000", "LimitRequestFieldSize 100000", "ListenerAccount itk2t090" if
                       kind == "itk2" else "", *MACRO.replace("@MASS@", str(mass)).split("\n")))
    server = module_servers.make(plan).start()
    server.allow(r"ITK26\d\d: ", r"ITK2208: ", r"mpm_itk:")
    return server


both = pytest.mark.holds_for("itk")


@both
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("way", WAYS)
def test_expression_gives_each_request_its_user(server, way, tls):
    for _ in range(2):
        for user in USERS[1:]:
            answer = server.get("/who.php", name_in(WAYS[way][0], user), tls=tls)
            who = Who.of(answer)
            assert who.is_account(user) and answer.header("X-Htaccess") == user.name
    assert server.get("/who.txt", name_in(WAYS[way][0], USERS[1])).body == f"30001 of {USERS[1].name}\n".encode()


@both
def test_function_of_the_expression_is_applied(server):
    answer = server.get("/who.php", USERS[2].name.upper() + ".lower.test")
    assert Who.of(answer).is_account(USERS[2])


@both
def test_sites_made_by_a_macro_have_their_users(server):
    for user in USERS[1:3]:
        with server.connect_to(server.spare_ports[0]) as connection:
            who = Who.of(connection.get("/who.php", f"{user.name}.macro.test", close=True))
        assert who.is_account(user)


def test_number_of_an_account_is_the_account(server):
    """Debian's mpm-itk takes no number there."""
    intended("expression-number")
    for user in USERS[1:]:
        assert Who.of(server.get("/who.php", f"u{user.uid}.number.test")).is_account(user)


def test_number_without_an_account_needs_a_range_that_says_so(server):
    assert Facts.of(server.get("/u/%2330000/facts.php", "user-yields.test")).uid == 30000
    assert server.get("/who.php", "u31777.number.test").status == 500


def one_line_of(server, ask):
    """What ask() gives, and the lines of the error log that it has made."""
    before = len(server.log())
    given = ask()
    poll(lambda: len(server.log()) > before, "nothing in the log")
    assert server.get("/who.txt", "plain.test").status == 200
    return given, server.log()[before:].splitlines()


def assert_refused(server, mass, host, what):
    mark = f"mark{next(_marks)}"
    answer, lines = one_line_of(server, lambda: server.get(f"/u/{what}/marks.php?mark={mark}", host))
    assert answer.status == 500 and not answer.keeps(), answer
    assert not (mass / "facts" / "made" / mark).exists(), "the script has run"
    assert len(lines) == 1 and re.search(r"ITK2\d{3}: ", lines[0]) and len(lines[0]) < 4000, lines


@pytest.mark.parametrize("what", WRONG)
def test_user_that_may_not_be_is_answered_500_with_one_line(server, mass, what):
    assert_refused(server, mass, "user-yields.test", WRONG[what])


@pytest.mark.parametrize("what", ["root", "zero", "zeros", "wraps-to-root", "wraps-to-a-user", "unknown", "nothing",
                                  "64-KB", "far-outside-the-range", "user-of-the-server", "log-line"])
def test_group_that_may_not_be_is_answered_500_with_one_line(server, mass, what):
    assert_refused(server, mass, "group-yields.test", WRONG[what])


@both
@pytest.mark.parametrize("what", ["root", "zero", "zeros", "root-and-blank", "unknown", "nothing"])
def test_mpm_itk_too_answers_500(server, what):
    assert server.get(f"/u/{WRONG[what]}/facts.php", "user-yields.test").status == 500


def test_accounts_of_the_servers_own_processes_are_nobodys(server, mass):
    intended("own-accounts")
    own = {process.status().uids[0] for role in ("listener", "spare", "parser") for process in
           poll(lambda role=role: server.in_role(role), f"no {role}")}
    assert len(own) == 3
    for uid in own:
        assert_refused(server, mass, "user-yields.test", f"%23{uid}")
        assert_refused(server, mass, "group-yields.test", f"%23{uid}")
    assert_refused(server, mass, "user-yields.test", "itk2t090")
    assert_refused(server, mass, "group-yields.test", "itk2t090")


def test_after_all_refusals_the_site_serves(server):
    for user in USERS[1:]:
        assert Facts.of(server.get(f"/u/{user.name}/facts.php", "user-yields.test")).uid == user.uid


def test_warm_workers_serve_hosts_that_an_expression_has_told_apart(server):
    """A parser is spent on the first requests of a host, not on each."""
    for user in USERS[1:3]:
        pids = [Who.of(server.get("/who.php", name_in(WAYS["setenvif"][0], user))).pid for _ in range(200)]
        assert len(set(pids)) < 10, f"{len(set(pids))} processes"


def is_in_the_servers_namespace(server, pid):
    return os.readlink(f"/proc/{pid}/ns/user") == os.readlink(f"/proc/{server.master.pid}/ns/user")


def test_process_that_has_read_a_hosts_first_request_serves_no_other_client(servers, kind, mass):
    """They get workers that have never been parsers, outside of any user namespace."""
    server = start_one_expression(servers, kind, mass, lines=())
    host = f"{USERS[1].name}.all.test"
    with server.connect() as connection:
        first = Facts.of(connection.get("/facts.php", host)).pid
        later = {Facts.of(server.get("/facts.php", host)).pid for _ in range(20)}
        assert first not in later and all(is_in_the_servers_namespace(server, pid) for pid in later)
        poll(lambda: not os.path.exists(f"/proc/{first}"), "it stays when its connection rests")
        assert is_in_the_servers_namespace(server, Facts.of(connection.get("/facts.php", host)).pid)


def test_tls_connection_stays_with_the_process_that_has_read_its_first_request(server):
    host = name_in(WAYS["rewrite"][0], USERS[3])
    with server.connect(tls=True, sni=host) as connection:
        first = Who.of(connection.get("/who.php", host)).pid
        for _ in range(20):
            time.sleep(0.02)  # long enough to be parked
            answer = connection.get("/who.php", host)
            assert answer.keeps() and Who.of(answer).pid == first
            assert Who.of(server.get("/who.php", host)).pid != first
        assert not is_in_the_servers_namespace(server, first)
    poll(lambda: not os.path.exists(f"/proc/{first}"), "it stays after its connection")


def test_kept_connection_of_one_user_goes_on_and_ends_for_another(server):
    first, second = (name_in(WAYS["setenvif"][0], user) for user in USERS[1:3])
    with server.connect() as connection:
        pids = {Who.of(connection.get("/who.php", first)).pid for _ in range(5)}
        assert len(pids) == 1
        assert connection.send(request("/who.php", second)).ended_without_bytes()


def start_one_expression(servers, kind, mass, names=None, lines=("NameLookupTimeout 1", "NameCacheTime 1"), owned=()):
    site = Site("all.test", mass, lines=("ServerAlias *.all.test", 'SetEnvIf Host "^([^.]+)" ITKUID=$1', *BOTH,
                                         f"VirtualDocumentRoot {mass}/facts", *owned))
    server = servers.make(Plan(kind, [*servers.user_sites(1), site], modules=("vhost_alias",), lines=lines, tls=False))
    server.allow(r"ITK26\d\d: ", r"ITK2208: ")
    return (names.serve(server) if names else server).start()


@pytest.fixture(scope="module")
def names(tree):
    return HangingNames(tree.root / "names")


def test_name_service_that_hangs_costs_its_own_requests_alone(servers, kind, mass, names):
    intended("name-service")
    server = start_one_expression(servers, kind, mass, names)
    assert Facts.of(server.get("/facts.php", "itk2t001.all.test")).uid == 30001
    for number, call in enumerate(CALLS):
        user = accounts.account(10 + 3 * number)
        with names.hanging(call):
            waiting = [server.connect().send(request("/facts.php", f"{user.name}.all.test", close=True))
                       for _ in range(3)]
            assert server.get("/who.txt", "v0.test").status == 200
            answers = [connection.answer() for connection in waiting]
            assert server.get("/who.txt", "v0.test").status == 200
            # Not every call is needed to find a user; where it is not, there is nothing to wait for.
            seen = {answer.status for answer in answers}
            assert seen == {503} or (seen == {200} and call in ("getgrgid", "getpwuid")), (call, answers)
            for connection in waiting:
                connection.close()
        facts = poll(lambda: server.get("/facts.php", f"{user.name}.all.test"), "no answer")
        assert Facts.of(facts).ids == (user.uid, user.gid, user.groups), call


def is_nobodys(server, process):
    """Neither the master's child nor of a known role: a child that asks, or its rest."""
    try:
        return process.parent() != server.master.pid or server.role(process) in ("resolver", "other")
    except proc.Vanished:
        return False


def test_nothing_that_looked_for_a_name_stays(servers, kind, mass, names):
    server = start_one_expression(servers, kind, mass, names)
    with names.hanging("getpwnam"):
        assert server.get("/facts.php", "itk2t020.all.test").status == 503
        lines = [line for line in server.log().splitlines() if re.search(r"ITK2(208|604): ", line)]
        assert len(lines) == 1, lines
        poll(lambda: not [process for process in server.processes() if is_nobodys(server, process)], "a process stays")


def test_site_added_under_the_pattern_of_its_owner_needs_no_restart(servers, kind, tree):
    root = tree.root / "owners"
    root.mkdir()
    root.chmod(0o755)
    private_files.folder(root / "first", USERS[1])
    lines = ("ServerAlias *.owner.test", f"VirtualDocumentRoot {root}/%1", "IdentityMode request-owner")
    sites = [*servers.user_sites(1), Site("owner.test", root, lines=lines)]
    server = servers.make(Plan(kind, sites, modules=("vhost_alias",), tls=False)).start()
    server.allow(r"ITK2\d{3}: ")
    assert Who.of(server.get("/who.php", "first.owner.test")).is_account(USERS[1])
    assert server.get("/who.php", "second.owner.test").status in (404, 500)
    private_files.folder(root / "second", USERS[2])
    answer = server.get("/who.php", "second.owner.test")
    assert Who.of(answer).is_account(USERS[2]) and answer.header("X-Htaccess") == "second"
    private_files.open_folder(root / "roots")
    assert server.get("/facts.php", "roots.owner.test").status == 500


def test_user_added_while_the_server_runs_needs_no_restart(servers, kind, mass):
    server = start_one_expression(servers, kind, mass)
    name = named_accounts.unused_name("itknew")
    assert server.get("/facts.php", f"{name}.all.test").status == 500
    with named_accounts.account(name) as user:
        poll(lambda: server.get("/facts.php", f"{name}.all.test").status == 200, "the new user is not found")
        assert Facts.of(server.get("/facts.php", f"{name}.all.test")).ids == (user.uid, user.gid, (user.gid,))


def test_changed_groups_are_seen_when_the_cache_has_expired(servers, kind, mass):
    intended("names-remembered")
    server = start_one_expression(servers, kind, mass)
    with named_accounts.account(named_accounts.unused_name("itkgrows")) as user:
        def groups():
            return Facts.of(server.get("/facts.php", f"{user.name}.all.test")).groups
        assert groups() == (user.gid,)
        named_accounts.join(user, accounts.EXTRA_GROUP)
        poll(lambda: accounts.EXTRA_GID in groups(), "not seen as a member", every=0.2)
        named_accounts.leave(user, accounts.EXTRA_GROUP)
        poll(lambda: accounts.EXTRA_GID not in groups(), "still seen as a member", every=0.2)
