"""The configurations that mpm-itk's users have: served by the user they name, or refused with the reason.

The same requests go to mpm-itk. Where the answers are meant to differ, docs/MIGRATION.md has a row.
"""
import shutil
import subprocess
from dataclasses import dataclass

import pytest

from itk2_testing import accounts, migration, named_accounts, pairs, private_files
from itk2_testing.client import Broken, Who
from itk2_testing.configuration import Site, itk2_module
from itk2_testing.migration import intended
from itk2_testing.private_files import Facts
from itk2_testing.waiting_script import RunningRequest

pytestmark = pytest.mark.holds_for("itk")

WWW_DATA = (33, 33, (33,))
EXTRA = accounts.EXTRA_GID
U1 = (30001, 30001, (30001,))


@dataclass(frozen=True)
class Shape:
    lines: str                 # of the virtual host; @SITE@ is its folder
    ids: tuple                 # uid, gid, groups
    path: str = "/facts.php"
    itk_ids: tuple = None      # mpm-itk's, where other ones are meant; () where it answers 500
    differs: str = ""          # then: the row of MIGRATION.md
    nice: int = 0


def number(ids):
    return ids[0], ids[0], (ids[0],)


SHAPES = {
    "names": Shape("AssignUserID itk2t001 itk2t001", U1),
    "names-with-supplementary-group": Shape("AssignUserID itk2t003 itk2t003", (30003, 30003, (30003, EXTRA))),
    "quoted": Shape('AssignUserID "itk2t001" "itk2t001"', U1),
    "quoted-user-only": Shape('AssignUserID "itk2t001" itk2t001', U1),
    "numbers-without-entry": Shape("AssignUserID #4165 #4165", (4165, 4165, (4165,))),
    "quoted-numbers": Shape('AssignUserID "#4165" "#4166"', (4165, 4166, (4166,))),
    "numbers-of-an-account": Shape("AssignUserID #30003 #30003", (30003, 30003, (30003, EXTRA)),
                                   itk_ids=(30003, 30003, (30003,)), differs="number-of-an-account"),
    "user-and-another-group": Shape("AssignUserID itk2t001 itk2t002", (30001, 30002, (30002,))),
    "another-group-and-supplementary": Shape("AssignUserID itk2t003 itk2t002", (30003, 30002, (30002, EXTRA))),
    "name-and-number": Shape("AssignUserID itk2t001 #4166", (30001, 4166, (4166,))),
    "user-of-the-server": Shape("AssignUserID www-data www-data", WWW_DATA),
    "user-and-group-www-data": Shape("AssignUserID itk2t001 www-data", (30001, 33, (33,))),
    "www-data-and-a-group": Shape("AssignUserID www-data itk2t001", (33, 30001, (30001,))),
    "none": Shape("", WWW_DATA),
    "twice": Shape("AssignUserID itk2t002 itk2t002\nAssignUserID itk2t001 itk2t001", U1),
    "small-letters": Shape("assignuserid itk2t001 itk2t001", U1),
    "if-module-mpm_itk_module": Shape("<IfModule mpm_itk_module>\nAssignUserID itk2t001 itk2t001\n</IfModule>", U1),
    "if-module-mpm_itk.c": Shape("<IfModule mpm_itk.c>\nAssignUserID itk2t001 itk2t001\n</IfModule>", U1),
    "if-module-itk.c": Shape("<IfModule itk.c>\nAssignUserID itk2t001 itk2t001\n</IfModule>", U1,
                             itk_ids=WWW_DATA, differs="if-module-itk-c"),
    "if-module-prefork.c": Shape("<IfModule prefork.c>\nAssignUserID itk2t001 itk2t001\n</IfModule>", U1),
    "if-module-mpm_prefork_module": Shape("<IfModule mpm_prefork_module>\n<IfModule mpm_itk_module>\n"
                                          "AssignUserID itk2t001 itk2t001\n</IfModule>\n</IfModule>", U1),
    "if-not-module": Shape("AssignUserID itk2t001 itk2t001\n<IfModule !mpm_itk_module>\n"
                           "AssignUserID itk2t002 itk2t002\n</IfModule>", U1),
    "if-no-event": Shape("<IfModule !mpm_event_module>\nAssignUserID itk2t001 itk2t001\n</IfModule>", U1),
    "directory": Shape('<Directory "@SITE@">\nAssignUserID itk2t001 itk2t001\n</Directory>', U1),
    "location": Shape("AssignUserID itk2t002 itk2t002\n<Location /facts.php>\nAssignUserID itk2t001 itk2t001\n"
                      "</Location>", U1),
    "expression": Shape("AssignUserIDExpr %{reqenv:ITKUID}\nRewriteEngine On\nRewriteRule /~([a-z]+)/ - [E=ITKUID:$1]\n"
                        "AliasMatch ^/~[a-z]+/(.*)$ @SITE@/$1", "named", path="/~@NAME@/facts.php"),
    "expression-over-assign-user-id": Shape("AssignUserID itk2t002 itk2t002\nAssignUserIDExpr itk2t001",
                                            (30001, 30002, (30002,))),
    "expressions-of-both": Shape("SetEnvIf Host ^ ITKUID=itk2t003\nAssignUserIDExpr %{reqenv:ITKUID}\n"
                                 "AssignGroupIDExpr %{reqenv:ITKUID}", (30003, 30003, (30003, EXTRA))),
    "expression-of-the-group": Shape("AssignUserID itk2t001 itk2t002\nAssignGroupIDExpr itk2t003",
                                     (30001, 30003, (30003,))),
    "expression-of-numbers": Shape("AssignUserIDExpr #4165\nAssignGroupIDExpr #4166\n@RANGE@", (4165, 4166, (4166,)),
                                   itk_ids=(), differs="expression-number"),
    "quoted-expression": Shape('AssignUserIDExpr "itk2t001"\nAssignGroupIDExpr "itk2t001"', U1,
                               itk_ids=(), differs="quoted-expression"),
    "expression-in-location": Shape("AssignUserID itk2t002 itk2t002\n<Location /facts.php>\n"
                                    "AssignUserIDExpr itk2t001\nAssignGroupIDExpr itk2t001\n</Location>", U1),
    "nice-least": Shape("AssignUserID itk2t001 itk2t001\nNiceValue -20", U1, nice=-20),
    "nice-greatest": Shape("AssignUserID itk2t001 itk2t001\nNiceValue 19", U1, nice=19),
    "nice-in-directory": Shape('AssignUserID itk2t001 itk2t001\n<Directory "@SITE@">\nNiceValue 5\n</Directory>', U1,
                               nice=5),
    "nice-in-directory-over-the-sites": Shape("AssignUserID itk2t001 itk2t001\nNiceValue 3\n"
                                              '<Directory "@SITE@">\nNiceValue 7\n</Directory>', U1, nice=7),
}


@pytest.fixture(scope="module")
def named():
    with named_accounts.account(named_accounts.unused_name("itkwww"), named_accounts.unused_name("itkgrp")) as user:
        yield user


@pytest.fixture(scope="module")
def pair(module_servers, kind, tree, named):
    """All shapes at once, each as a site of its own, on both servers."""
    folder = private_files.open_folder(tree.root / "shapes")

    def site(name, one_kind):
        # mpm-itk refuses LimitUIDRange there, and needs none.
        limits = "LimitUIDRange 4000 4200\nLimitGIDRange 4000 4200" if one_kind == "itk2" else ""
        text = SHAPES[name].lines.replace("@SITE@", str(folder)).replace("@RANGE@", limits)
        return Site(f"{name}.test", folder, lines=tuple(text.split("\n")))
    sites = {one: [site(name, one) for name in SHAPES] for one in ("itk", kind)}
    started = {one: module_servers.make(pairs.plan(one, sites[one], tls=False)).start()
               for one in dict.fromkeys(("itk", kind))}
    return pairs.Pair(started["itk"], started[kind])


@pytest.mark.parametrize("name", SHAPES)
def test_shape_is_served_by_the_user_it_names(pair, named, name):
    shape = SHAPES[name]
    ids = (named.uid, 33, (33,)) if shape.ids == "named" else shape.ids
    control, subject = pair.get(shape.path.replace("@NAME@", named.name), f"{name}.test")
    if shape.differs:
        intended(shape.differs)
    if shape.itk_ids == ():
        assert control.status == 500
        pair.control.allow("AssignUserIDExpr returned")
    else:
        assert (Facts.of(control).ids, Facts.of(control).nice) == (shape.itk_ids or ids, shape.nice), "of mpm-itk"
    if not pair.alone:
        assert (Facts.of(subject).ids, Facts.of(subject).nice) == (ids, shape.nice)


def test_user_and_group_of_different_names(servers, kind, tree, named):
    """As `www-foo foo`."""
    group = named_accounts.unused_name("itkgrp")
    folder = private_files.open_folder(tree.root / "www-foo")
    pair = pairs.start(servers, kind, [Site("foo.test", folder, f"{named.name} {group}")], tls=False)
    for answer in pair.get("/facts.php"):
        assert Facts.of(answer).ids == (named.uid, named.gid, (named.gid,))


SERVER_LINES = {
    "widest-range": "LimitUIDRange 0 4294967295",
    "widest-ranges": "LimitUIDRange 0 4294967295\nLimitGIDRange 0 4294967295",
    "range": "LimitUIDRange 30000 30099\nLimitGIDRange 30000 30600",
    "capabilities-on": "EnableCapabilities On",
    "capabilities-off": "EnableCapabilities Off\nLimitUIDRange 0 4294967295\nLimitGIDRange 0 4294967295",
    "max-clients-vhost": "MaxClientsVHost 50",
    "nice": "NiceValue 4",
    "user-of-the-server": "AssignUserID itk2t005 itk2t005",
    "expression-of-the-server": "AssignUserIDExpr itk2t005\nAssignGroupIDExpr itk2t005",
    "prefork": "<IfModule mpm_prefork_module>\nStartServers 5\nMinSpareServers 5\nMaxSpareServers 10\n"
               "MaxRequestWorkers 150\nMaxConnectionsPerChild 0\n</IfModule>",
    "prefork.c": "<IfModule prefork.c>\nMaxRequestWorkers 100\n</IfModule>",
    "two-ranges": "LimitUIDRange 30000 30099\nLimitUIDRange 1 4294967294",
}


@pytest.mark.parametrize("name", SERVER_LINES)
def test_server_wide_shape_is_taken(servers, kind, tree, name):
    folder = private_files.open_folder(tree.root / f"server-{name}")
    sites = [Site("v1.test", folder, "itk2t001 itk2t001"), Site("none.test", folder)]
    pair = pairs.start(servers, kind, sites, tls=False, user="itk2t006 itk2t006",
                       lines=tuple(SERVER_LINES[name].split("\n")))
    if name == "capabilities-off":
        intended("capabilities-off")
        pair.allow("ITK2817")
    for site in ("v1.test", "none.test"):
        control, subject = map(Facts.of, pair.get("/facts.php", site))
        assert (control.ids, control.nice) == (subject.ids, subject.nice), site
        if name not in ("user-of-the-server", "expression-of-the-server"):
            assert subject.uid == (30001 if site == "v1.test" else 30006)
        assert subject.nice == (4 if name == "nice" else 0)


def test_limit_uid_range_inside_a_virtual_host_holds_for_it_alone(servers, kind, tree):
    folder = private_files.open_folder(tree.root / "puppet")
    lines = ("LimitUIDRange 30001 30001", "LimitGIDRange 30001 30001")
    sites = [Site("v1.test", folder, "itk2t001 itk2t001", lines), Site("v3.test", folder, "itk2t003 itk2t003")]
    control = servers.make(pairs.plan("itk", sites, tls=False)).try_start()
    assert control.returncode != 0 and "LimitUIDRange cannot occur within" in control.stderr
    intended("range-in-a-virtual-host")
    if kind == "itk2":
        server = servers.make(pairs.plan(kind, sites, tls=False)).start()
        assert [Facts.of(server.get("/facts.php", site.name)).uid for site in sites] == [30001, 30003]


def busy_twice(server):
    """The status of a second request while a first one runs."""
    server.allow("MaxClientsVhost reached for v0.test:")
    running = RunningRequest(server)
    running.begun()
    try:
        return server.get("/who.txt", "v0.test").status
    finally:
        assert running.finish().status == 200


def test_max_clients_vhost_of_the_server_is_inherited(servers, kind):
    """mpm-itk forgets it in a virtual host where the module has any server configuration: in each one."""
    pair = pairs.start(servers, kind, servers.user_sites(1), tls=False, lines=("MaxClientsVHost 1",))
    assert busy_twice(pair.control) == 200
    intended("max-clients-vhost")
    if not pair.alone:
        assert busy_twice(pair.subject) == 503


def test_max_clients_vhost_of_a_virtual_host_refuses_with_the_line_that_tools_read(servers, kind):
    """mpm-itk counts without the request that asks."""
    pair = pairs.start(servers, kind, servers.user_sites(1, lines=("MaxClientsVHost 1",)), tls=False)
    for server in pair.servers:
        running = RunningRequest(server)
        running.begun()
        assert server.get("/who.txt").status == 503
        server.expect(r"MaxClientsVhost reached for v0\.test:\d+, refusing client\.")
        assert running.finish().status == 200


def test_php_values_of_virtual_host_and_htaccess_hold(servers, kind, tree):
    user = accounts.account(1)
    folder = private_files.open_folder(tree.root / "php-values")
    private_files.write(folder / ".htaccess", "php_value user_agent of-htaccess\nphp_value memory_limit 99M\n", user)
    lines = ("php_value user_agent of-the-site", "php_admin_value memory_limit 77M")
    pair = pairs.start(servers, kind, [Site("v1.test", folder, "itk2t001 itk2t001", lines)], tls=False)
    for answer in pair.get("/facts.php"):
        facts = Facts.of(answer)
        assert (facts.uid, facts.user_agent, facts.memory_limit) == (user.uid, "of-htaccess", "77M")


def test_htaccess_that_only_root_can_read_is_obeyed_by_mpm_itk_alone(servers, kind, tree):
    """Everything is read as the site's user here."""
    folder = private_files.open_folder(tree.root / "roots-htaccess")
    private_files.write(folder / ".htaccess", "php_value user_agent of-root\n", accounts.Account("root", 0, 0, ()))
    pair = pairs.start(servers, kind, [Site("v1.test", folder, "itk2t001 itk2t001")], tls=False)
    control, subject = pair.get("/facts.php")
    assert Facts.of(control).user_agent == "of-root"
    intended("files-before-the-user")
    if not pair.alone:
        pair.subject.allow("AH00529: ")
        assert subject.status == 403


@dataclass(frozen=True)
class Refusal:
    says: str                  # in the line
    lines: str = ""            # of the virtual host
    server: str = ""
    differs: str = ""          # mpm-itk starts: the row of MIGRATION.md
    itk_status: int = 0        # and answers


REFUSALS = {
    "root": Refusal("LimitUIDRange", "AssignUserID root root", differs="uid-0", itk_status=500),
    "root-by-number": Refusal("LimitUIDRange", "AssignUserID #0 #0", differs="uid-0", itk_status=500),
    "roots-group": Refusal("LimitGIDRange", "AssignUserID itk2t001 root", differs="uid-0", itk_status=500),
    "outside-the-range": Refusal("LimitUIDRange", "AssignUserID itk2t001 itk2t001", "LimitUIDRange 1 30000",
                                 differs="limit-range", itk_status=500),
    "supplementary-group-outside": Refusal("LimitGIDRange", "AssignUserID itk2t003 itk2t003",
                                           "LimitGIDRange 30000 30099", differs="limit-range", itk_status=200),
    "unknown-user": Refusal("no-such-user", "AssignUserID no-such-user itk2t001"),
    "unknown-group": Refusal("no-such-group", "AssignUserID itk2t001 no-such-group"),
    "no-number": Refusal("#12x", "AssignUserID #12x #12x", differs="numbers", itk_status=200),
    "one-argument": Refusal("AssignUserID", "AssignUserID itk2t001"),
    "nice-too-low": Refusal("NiceValue", "AssignUserID itk2t001 itk2t001\nNiceValue -21", differs="numbers",
                            itk_status=200),
    "nice-too-high": Refusal("NiceValue", "AssignUserID itk2t001 itk2t001\nNiceValue 20", differs="numbers",
                             itk_status=200),
    "broken-expression": Refusal("Unterminated string or variable", "AssignUserIDExpr %{reqenv:X"),
    "root-in-directory": Refusal("LimitUIDRange", '<Directory "@SITE@">\nAssignUserID root root\n</Directory>',
                                 differs="uid-0", itk_status=500),
    "capabilities-in-a-virtual-host": Refusal("EnableCapabilities", "EnableCapabilities Off"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_shape_that_cannot_be_is_refused_with_its_reason(servers, kind, tree, name):
    refusal = REFUSALS[name]
    folder = private_files.open_folder(tree.root / f"refused-{name}")
    site = Site("v1.test", folder, lines=tuple(refusal.lines.replace("@SITE@", str(folder)).split("\n")))
    for one in dict.fromkeys(("itk", kind)):
        server = servers.make(pairs.plan(one, [site], tls=False, lines=tuple(refusal.server.split("\n"))))
        server.allow(".")
        if one == "itk" and refusal.differs:
            intended(refusal.differs)
            server.start()
            assert status_or_end(server) == refusal.itk_status
            continue
        done = server.try_start()
        said = done.stdout + done.stderr + server.log()
        assert done.returncode != 0 and not server.survivors(), said
        assert refusal.says in said and (one == "itk" or "httpd.conf" in said), said


def status_or_end(server):
    try:
        return server.get("/facts.php").status
    except (Broken, ConnectionResetError):
        return 0


def test_missing_privilege_is_found_at_start(servers, kind, tree):
    """With a nice value below 0 and no CAP_SYS_NICE."""
    site = Site("v1.test", tree.docroot(accounts.account(1)), "itk2t001 itk2t001", ("NiceValue -5",))
    for one in dict.fromkeys(("itk", kind)):
        server = servers.make(pairs.plan(one, [site], tls=False))
        server.allow(".")
        server.wrapper = ("setpriv", "--bounding-set=-sys_nice", "--inh-caps=-all")
        if one == "itk":
            assert server.start().get("/who.php").status == 403
            intended("missing-privilege")
        else:
            done = server.try_start()
            said = done.stderr + server.log()
            assert done.returncode != 0 and "CAP_SYS_NICE" in said and not server.survivors(), said


def test_process_serves_one_connection_after_the_other(servers, kind):
    pair = pairs.start(servers, kind, servers.user_sites(1), tls=False)
    intended("process")
    pids = [{Who.of(server.get("/who.php")).pid for _ in range(10)} for server in pair.servers]
    assert len(pids[0]) == 10
    assert pair.alone or len(pids[-1]) <= 2


def test_set_uid_program_of_a_site(servers, kind, tree):
    """setpriv, set-uid root, asked to become another user: what sudo does."""
    folder = private_files.open_folder(tree.root / "set-uid")
    shutil.copy(shutil.which("setpriv"), folder / "change")
    (folder / "change").chmod(0o4755)
    (folder / "run.php").write_text(f"<?php passthru('{folder}/change --reuid 30005 --clear-groups id -u 2>&1');")
    pair = pairs.start(servers, kind, [Site("v1.test", folder, "itk2t001 itk2t001")], tls=False)
    control, subject = pair.get("/run.php")
    assert control.body == b"30005\n"
    intended("set-uid-programs")
    if not pair.alone:
        assert b"Operation not permitted" in subject.body


def test_module_list_names_mpm_itk(servers, kind):
    """What koha-create looks for."""
    for one in dict.fromkeys(("itk", kind)):
        server = servers.make(pairs.plan(one, servers.user_sites(1), tls=False))
        done = subprocess.run(server.command("-M"), env=server.environment(), capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0 and " mpm_itk_module " in done.stdout and " mpm_prefork_module " in done.stdout


def test_loaded_under_one_name_alone_it_still_takes_every_directive(servers, kind, tree):
    """LoadModule mpm_itk_module alone is what configuration management writes."""
    if kind == "itk2":
        folder = private_files.open_folder(tree.root / "one-name")
        plan = pairs.plan(kind, [Site("v1.test", folder, "itk2t001 itk2t001")], tls=False)
        plan.load = ()
        server = servers.make(plan)
        text = server.config.read_text()
        assert f"LoadModule mpm_itk2_module {itk2_module()}" in text
        assert Facts.of(server.start().get("/facts.php")).ids == U1


def test_every_row_of_the_page_is_named_by_a_test():
    assert set(migration.rows()) - migration.named_by_tests() == set()
