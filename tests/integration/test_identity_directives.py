"""What a site runs as, said in other ways than AssignUserID: taken, or refused at start in one line that says where."""
import os
import pwd
import re
import subprocess

import pytest

from itk2_testing import accounts, private_files, proc
from itk2_testing.client import Who
from itk2_testing.configuration import Plan, Site, libexecdir
from itk2_testing.waiting import poll

USERS = accounts.accounts(8)
SUEXEC = libexecdir() / "mod_suexec.so"
INNER = {
    "directory": '<Directory "/srv">\n{}\n</Directory>',
    "directory-match": '<DirectoryMatch "^/srv">\n{}\n</DirectoryMatch>',
    "location": "<Location /x>\n{}\n</Location>",
    "location-match": '<LocationMatch "^/x">\n{}\n</LocationMatch>',
    "files": '<Files "x">\n{}\n</Files>',
    "if": '<If "true">\n{}\n</If>',
    "else": '<If "false">\n</If>\n<Else>\n{}\n</Else>',
    "files-in-directory": '<Directory "/srv">\n<Files "x">\n{}\n</Files>\n</Directory>',
    "if-in-if": '<If "true">\n<If "true">\n{}\n</If>\n</If>',
}


def start_refused(servers, kind, site_lines=(), server_lines=(), identity="", load=(), **process_options):
    """What is said when this does not start; nothing of it may run afterwards."""
    sites = [Site("v0.test", servers.tree.docroot(USERS[0]), identity, tuple(site_lines))]
    server = servers.make(Plan(kind, sites, lines=tuple(server_lines), load=tuple(load), php=False, tls=False))
    server.allow(".")
    done = server.try_start(**process_options)
    said = done.stdout + done.stderr + server.log()
    assert done.returncode != 0, f"starts: {said}"
    assert "resuming normal operations" not in said and not server.survivors()
    return said


def one_line(said, *words):
    """The one line that has all these words."""
    lines = [line for line in said.splitlines() if all(word in line for word in words)]
    assert len(lines) == 1, said
    return lines[0]


def checked(server):
    """What -t says."""
    return subprocess.run(server.command("-t"), env=server.environment(), capture_output=True, text=True, timeout=60)


# Lines of the server, lines of its one site, words of the line that refuses them.
REFUSED = {
    "mode-unknown": (["IdentityMode everybody"], [], ["IdentityMode", "everybody", "request-owner"]),
    "ruid2-mode-unknown": (["RMode owner"], [], ["RMode", "owner", "stat"]),
    "mode-then-user": (["IdentityMode owner", "AssignUserID itk2t001 itk2t001"], [], ["AssignUserID", "IdentityMode"]),
    "user-then-mode": ([], ["AssignUserID itk2t001 itk2t001", "IdentityMode suexec"], ["IdentityMode", "keep one"]),
    "ruid2-both": ([], ["RMode stat", "RUidGid itk2t001 itk2t001"], ["RUidGid", "keep one"]),
    "mode-in-directory": ([], ["<Directory /srv>", "IdentityMode owner", "</Directory>"], ["IdentityMode not allowed"]),
    "groups-in-directory": ([], ["<Directory /srv>", "RGroups @none", "</Directory>"], ["RGroups not allowed"]),
    "groups-unknown": ([], ["RGroups itk2extra no-such-group"], ["RGroups", "no-such-group"]),
    "groups-none-and-more": ([], ["RGroups @none itk2extra"], ["RGroups", "@none"]),
    "groups-of-root": ([], ["RUidGid itk2t001 itk2t001", "RGroups root"], ["ITK2809", "LimitGIDRange"]),
    "groups-with-expression": (["RGroups itk2extra"], ["AssignUserIDExpr %{HTTP_HOST}"], ["ITK2821", "v0.test"]),
    "groups-with-request-owner": ([], ["RGroups @none", "IdentityMode request-owner"], ["ITK2821", "RGroups"]),
    "ruid2-least": (["RMinUidGid 1000 1000"], [], ["RMinUidGid", "LimitUIDRange"]),
    "ruid2-default": ([], ["RDefaultUidGid nobody nogroup"], ["RDefaultUidGid", "LimitUIDRange"]),
    "ruid2-chroot": ([], ["RDocumentChRoot /srv /htdocs"], ["RDocumentChRoot", "chroot"]),
    "parser-account-of-a-site": (["ParserAccount itk2t000"], ["AssignUserID itk2t000 itk2t000"],
                                 ["ParserAccount", "ITK2810"]),
    "parser-account-of-a-section": (["ParserAccount itk2t005"],
                                    ["<Location /x>", "AssignUserID itk2t005 itk2t005", "</Location>"],
                                    ["ParserAccount", "httpd.conf:"]),
    "parser-account-of-user": (["ParserAccount www-data"], [], ["ITK2805", "ParserAccount"]),
    "parser-account-root": (["ParserAccount root"], [], ["ITK2805", "ParserAccount"]),
    "parser-account-unknown": (["ParserAccount no-such-account"], [], ["ITK2805", "no-such-account"]),
    "parser-account-of-spares": (["SpareAccount #64001", "ParserAccount #64001"], [],
                                 ["SpareAccount", "ParserAccount", "differ"]),
    "parser-account-of-listener": (["ListenerAccount #64001", "ParserAccount #64001"], [],
                                   ["ListenerAccount", "ParserAccount"]),
    "parser-account-in-a-site": ([], ["ParserAccount itk2t001"], ["ParserAccount cannot occur"]),
    "confinement-unknown": (["ParserConfinement none"], [], ["ParserConfinement", "capabilities"]),
    "lookup-timeout-0": (["NameLookupTimeout 0"], [], ["NameLookupTimeout", "300"]),
    "lookup-timeout-large": (["NameLookupTimeout 301"], [], ["NameLookupTimeout", "300"]),
    "cache-time-word": (["NameCacheTime long"], [], ["NameCacheTime", "long"]),
    "reroute-name": (["RerouteFrom proxy.test"], [], ["RerouteFrom", "proxy.test"]),
    "reroute-bits-of-v4": (["RerouteFrom 10.0.0.0/8 10.0.0.0/33"], [], ["RerouteFrom", "10.0.0.0/33"]),
    "reroute-bits-of-v6": (["RerouteFrom ::1/129"], [], ["RerouteFrom", "::1/129"]),
    "reroute-part": (["RerouteFrom 10.1"], [], ["RerouteFrom", "10.1"]),
    "reroute-mapped": (["RerouteFrom ::ffff:10.0.0.1"], [], ["RerouteFrom", "::ffff:10.0.0.1"]),
    "reroute-in-a-site": ([], ["RerouteFrom 10.0.0.1"], ["RerouteFrom cannot occur"]),
    "user-in-limit": ([], ["<Location /x>", "<Limit GET>", "AssignUserID itk2t001 itk2t001", "</Limit>", "</Location>"],
                      ["AssignUserID", "<Limit>"]),
    "expression-in-limit": ([],
                            ["<Location /x>", "<LimitExcept GET>", "AssignUserIDExpr %{HTTP_HOST}", "</LimitExcept>",
                                 "</Location>"], ["AssignUserIDExpr", "<Limit>"]),
    "expression-broken": ([], ["AssignUserIDExpr %{HTTP_HOST"], ["AssignUserIDExpr", "%{HTTP_HOST", "no expression"]),
    "expression-of-nothing-known": ([], ["AssignGroupIDExpr %{nosuchfunction:x}"],
                                    ["AssignGroupIDExpr", "nosuchfunction"]),
    "expression-missing": ([], ["AssignUserIDExpr"], ["AssignUserIDExpr", "one argument"]),
    "expression-empty": ([], ['AssignUserIDExpr ""'], ["AssignUserIDExpr", "one argument"]),
    "suexec-mode-without-mod_suexec": ([], ["IdentityMode suexec"], ["ITK2820", "mod_suexec"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused_in_one_line(servers, kind, name):
    server_lines, site_lines, words = REFUSED[name]
    one_line(start_refused(servers, kind, site_lines, server_lines), *words)


@pytest.mark.parametrize("section", INNER)
@pytest.mark.parametrize("of_the_server", [False, True], ids=["in-a-site", "of-the-server"])
def test_inner_section_is_checked_as_a_site_is(servers, kind, section, of_the_server):
    """With the place of its line; a section of the server is every site's."""
    for directive, words in (("AssignUserID no-such-user itk2t001", ["no-such-user"]),
                             ("AssignUserID root root", ["ITK2807", "httpd.conf:"]),
                             ("RUidGid itk2t001 root", ["ITK2808", "RUidGid", "httpd.conf:"]),
                             ("AssignUserID itk2t060 itk2t060", ["ITK2807", "30060", "httpd.conf:", "v0.test"]),
                             ("NiceValue 20", ["NiceValue", "20"])):
        lines = INNER[section].format(directive).split("\n")
        limit = "LimitUIDRange 30000 30050"
        said = start_refused(servers, kind, [limit, *([] if of_the_server else lines)], lines if of_the_server else [])
        one_line(said, *words)


@pytest.mark.parametrize("line", ["AssignUserID itk2t001 itk2t001", "AssignUserIDExpr %{HTTP_HOST}",
                                  "AssignGroupIDExpr itk2t001", "RUidGid itk2t001 itk2t001"])
def test_htaccess_names_nobody(servers, kind, tree, line):
    """Not even where AllowOverrideList lets the directive through."""
    root = private_files.folder(tree.root / f"htaccess-{abs(hash(line))}", USERS[0], htaccess=False)
    private_files.write(root / ".htaccess", line + "\n", USERS[0])
    name = line.split()[0]
    allowed = (f'<Directory "{root}">', "AllowOverride None", f"AllowOverrideList {name}", "</Directory>")
    server = servers.start(kind, sites=[Site("v0.test", root, "itk2t000 itk2t000", allowed)], tls=False)
    server.allow("cannot occur within htaccess")
    assert server.get("/who.php").status == 500
    assert {process.status().uids[0] for process in server.in_role("worker")} == {USERS[0].uid}


@pytest.mark.parametrize("lines", [["AssignUserIDExpr %{HTTP_HOST}"], ["IdentityMode request-owner"],
                                   ["IdentityMode owner"],
                                   ["<Location /x>", "AssignUserID itk2t001 itk2t001", "</Location>"],
                                   ["<Location /x>", "NiceValue 5", "</Location>"], ["RGroups itk2extra"]],
                         ids=lambda lines: lines[0].split()[0].strip("<"))
def test_without_root_nobody_else_can_be_named(servers, kind, tree, lines):
    """It says that it was not started as root, and does not start."""
    # Whoever starts it must be able to write where it writes.
    sites = [Site("v0.test", tree.docroot(USERS[0]), lines=tuple(lines))]
    server = servers.make(Plan(kind, sites, php=False, tls=False))
    server.allow(".")
    server.write_config()
    os.chown(server.directory, 30009, 30009)
    done = server.try_start(user=30009, group=30009, extra_groups=[])
    said = done.stdout + done.stderr + server.log()
    assert done.returncode != 0 and not server.survivors(), said
    one_line(said, "ITK2814", "30009")


@pytest.fixture(scope="module")
def roots(tree):
    """Document roots: of a user with another's group, of root's, missing, behind symlinks of root and of users."""
    root = tree.root / "roots"
    root.mkdir()
    root.chmod(0o755)
    for user in USERS[1:4]:
        private_files.folder(root / user.name, user)
    (root / "roots").mkdir(mode=0o755)
    (root / "link").symlink_to(root / USERS[1].name)
    (root / "stolen").symlink_to(root / USERS[1].name)
    os.lchown(root / "stolen", USERS[2].uid, USERS[2].gid)
    return root


def test_owner_mode_of_the_server_needs_no_line_in_a_site(servers, kind, roots):
    sites = [Site(f"v{number}.test", roots / user.name) for number, user in enumerate(USERS[1:4])]
    sites.append(Site("link.test", roots / "link"))
    sites.append(Site("own.test", roots / USERS[1].name, f"{USERS[1].name} {USERS[2].name}"))
    sites.append(Site("as-user.test", roots.parent / "shared", lines=("IdentityMode config",)))
    server = servers.start(kind, sites=sites, lines=("IdentityMode owner",))
    for number, user in enumerate(USERS[1:4]):
        for tls in (False, True):
            assert Who.of(server.get("/who.php", f"v{number}.test", tls=tls)).is_account(user)
    assert Who.of(server.get("/who.php", "link.test")).is_account(USERS[1])
    who = Who.of(server.get("/who.php", "own.test"))
    assert (who.uid, who.gid) == (USERS[1].uid, USERS[2].gid)
    assert server.get("/small.txt", "as-user.test").status == 200
    assert pwd.getpwnam("www-data").pw_uid in {process.status().uids[0] for process in server.in_role("worker")}
    assert not server.in_role("parser")


def test_owner_is_who_it_was_when_the_configuration_was_read(servers, kind, tree):
    root = private_files.folder(tree.root / "changing", USERS[1])
    server = servers.start(kind, sites=[Site("v0.test", root, lines=("RMode stat",))], tls=False)
    server.allow("AH00529")
    assert Who.of(server.get("/who.php")).is_account(USERS[1])
    for path in (root, *root.iterdir()):
        os.chown(path, USERS[2].uid, USERS[2].gid)
    assert server.get("/who.php").status == 403
    server.graceful()
    assert Who.of(server.get("/who.php")).is_account(USERS[2])


@pytest.mark.parametrize("name, words", [("roots", ["ITK2807", "DocumentRoot", "uid 0"]), ("stolen", ["ITK2818",
                                                                                                      "symlink"])])
def test_document_root_of_the_wrong_owner_is_refused(servers, kind, roots, name, words):
    sites = [Site("v0.test", roots / name, lines=("IdentityMode owner",))]
    server = servers.make(Plan(kind, sites, php=False, tls=False))
    server.allow(".")
    done = server.try_start()
    said = done.stdout + done.stderr + server.log()
    assert done.returncode != 0
    line = one_line(said, "v0.test", str(roots / name))
    assert all(word in line for word in words if word != "DocumentRoot"), line


def test_document_root_that_is_not_there_is_users_with_a_line(servers, kind, roots):
    sites = [Site("v0.test", roots / "not-there", lines=("IdentityMode owner",)), *servers.user_sites(1)]
    sites[1].name = "v1.test"
    server = servers.start(kind, sites=sites, tls=False)
    server.allow("ITK2819", "AH00112")
    one_line(checked(server).stderr, "ITK2819", "v0.test", str(roots / "not-there"))
    assert server.get("/", "v0.test").status == 404
    assert Who.of(server.get("/who.php", "v1.test")).is_account(USERS[0])


def test_site_of_its_own_mode_does_not_take_the_servers_user(servers, kind, roots):
    sites = [Site("v0.test", roots / USERS[1].name, lines=("IdentityMode owner",)),
             Site("v1.test", roots / USERS[2].name, lines=("IdentityMode config",))]
    server = servers.start(kind, sites=sites, lines=(f"AssignUserID {USERS[2].name} {USERS[2].name}",), tls=False)
    assert Who.of(server.get("/who.php", "v0.test")).is_account(USERS[1])
    assert Who.of(server.get("/who.php", "v1.test")).is_account(USERS[2])


def test_ruid2s_user_and_groups_are_taken(servers, kind, roots):
    user = USERS[3]
    sites = [Site("v0.test", roots / user.name, lines=(f"RUidGid {user.name} {user.name}",)),
             Site("v1.test", roots / user.name, lines=("RMode config", f"RUidGid {user.name} {user.name}",
                                                       "RGroups itk2t005 #30006")),
             Site("v2.test", roots / user.name, lines=(f"RUidGid #{user.uid} #{user.gid}", "RGroups @none")),
             Site("v3.test", roots / user.name, lines=("RMode stat", "RGroups itk2t005"))]
    server = servers.start(kind, sites=sites, tls=False)
    groups = [sorted(Who.of(server.get("/who.php", f"v{number}.test")).groups) for number in range(4)]
    assert groups == [[user.gid, accounts.EXTRA_GID], [user.gid, 30005, 30006], [user.gid], [user.gid, 30005]]


@pytest.mark.skipif(not SUEXEC.exists(), reason="mod_suexec is not installed")
def test_suexec_mode_without_users_is_the_servers_user(servers, kind, roots):
    sites = [Site("v0.test", roots / USERS[1].name, lines=("IdentityMode suexec",))]
    server = servers.start(kind, sites=sites, lines=(f"AssignUserID {USERS[1].name} {USERS[1].name}",), tls=False,
                           load=(f"LoadModule suexec_module {SUEXEC}",))
    server.allow("AH01232")
    assert Who.of(server.get("/who.php")).is_account(USERS[1])


@pytest.mark.skipif(not SUEXEC.exists(), reason="mod_suexec is not installed")
def test_suexec_mode_takes_the_users_of_suexec(servers, kind, roots):
    sites = [Site(f"v{number}.test", roots / user.name, lines=(f"SuexecUserGroup {user.name} {user.name}",))
             for number, user in enumerate(USERS[1:4])]
    server = servers.make(Plan(kind, sites, lines=("IdentityMode suexec",), tls=False,
                               load=(f"LoadModule suexec_module {SUEXEC}",)))
    if "suEXEC is disabled" in checked(server).stderr:
        pytest.skip("the suexec program is not installed: apache2-suexec-pristine")
    server.allow("AH01232")
    server.start()
    for number, user in enumerate(USERS[1:4]):
        assert Who.of(server.get("/who.php", f"v{number}.test")).is_account(user)


def test_equal_users_in_inner_sections_need_no_parser(servers, kind):
    """Who names the same user again costs nothing."""
    sites = servers.user_sites(2)
    sites[0].lines = ("<Location /x>", "AssignUserID itk2t000 itk2t000", "NiceValue 0", "</Location>")
    server = servers.start(kind, sites=sites, tls=False)
    assert Who.of(server.get("/who.php")).is_account(USERS[0])
    assert not server.in_role("parser")


def test_ten_thousand_owners_start(servers, kind, roots):
    """One line for all of them."""
    roots_of_three = [roots / user.name for user in USERS[1:4]]
    vhosts = [line for number in range(10_000) for line in
              ("<VirtualHost *:@PORT0@>", f"ServerName s{number}.test", f"DocumentRoot {roots_of_three[number % 3]}",
               "</VirtualHost>")]
    plan = Plan(kind, servers.user_sites(1), lines=("IdentityMode owner", *vhosts), listen=("127.0.0.1:@PORT0@",),
                tls=False, limits={"StartServers": 2})
    server = servers.make(plan)
    server.start()
    for number in (0, 1, 2, 9_999):
        with server.connect_to(server.spare_ports[0]) as connection:
            who = Who.of(connection.get("/who.php", f"s{number}.test", close=True))
        assert who.is_account(USERS[1 + number % 3])
    assert re.search(r"ITK2007: 4 identities|ITK2007: 5 identities", server.log()), server.log()


@pytest.mark.parametrize("section", ['<Proxy "http://127.0.0.1:*">',
                                     '<ProxyMatch "^http://127[.]0[.]0[.]1:[0-9]+/who">'])
def test_proxied_requests_run_as_their_sections_user(servers, kind, section):
    sites = servers.user_sites(1)
    lines = ("ProxyPass /behind http://127.0.0.1:@PORT0@", section, f"AssignUserID {USERS[5].name} {USERS[5].name}",
             section.split()[0].replace("<", "</") + ">")
    sites[0].lines = lines
    sites.append(Site("behind.test", servers.tree.docroot(USERS[1]), f"{USERS[1].name} {USERS[1].name}",
                      port="@PORT0@"))
    server = servers.start(kind, sites=sites, modules=("proxy", "proxy_http"), listen=("127.0.0.1:@PORT0@",), tls=False)
    assert Who.of(server.get("/who.php", "v0.test")).is_account(USERS[0])
    with server.connect() as connection:
        def is_seen():
            assert Who.of(connection.get("/behind/who.php", "v0.test")).is_account(USERS[1])
            try:
                return USERS[5].uid in {process.status().uids[0] for process in server.in_role("worker")}
            except proc.Vanished:
                return False
        poll(is_seen, "no worker of its user")


def test_path_behind_a_file_of_a_files_section_is_its_users(servers, kind, tree):
    root = private_files.folder(tree.root / "files-behind", USERS[0], 0o755, htaccess=False)
    private_files.write(root / "admin.php", private_files.WHO_PHP, USERS[1])
    lines = ('<FilesMatch "^admin[.]">', f"AssignUserID {USERS[1].name} {USERS[1].name}", "</FilesMatch>")
    server = servers.start(kind, sites=[Site("v0.test", root, f"{USERS[0].name} {USERS[0].name}", lines)], tls=False)
    server.allow(r"ITK26\d\d: ")
    for path in ("/admin.php", "/admin.php/users", "/admin.php/who.php/x"):
        with server.connect() as connection:
            assert Who.of(connection.get(path, "v0.test", close=True)).is_account(USERS[1])
    with server.connect() as connection:
        assert Who.of(connection.get("/who.php/users", "v0.test", close=True)).is_account(USERS[0])


def test_names_that_sections_give_to_what_they_match_count_in_expressions(servers, kind, tree):
    root = tree.root / "named"
    root.mkdir()
    root.chmod(0o755)
    for user in USERS[1:3]:
        private_files.folder(root / user.name, user)
    lines = (f'<DirectoryMatch "^{root}/(?<NAME>[a-z0-9]+)">', "Options FollowSymLinks", "</DirectoryMatch>",
             "AssignUserIDExpr %{reqenv:MATCH_NAME}", "AssignGroupIDExpr %{env:MATCH_NAME}")
    server = servers.start(kind, sites=[Site("v0.test", root, lines=lines)], tls=False)
    server.allow(r"ITK26\d\d: ")
    for user in USERS[1:3]:
        with server.connect() as connection:
            assert Who.of(connection.get(f"/{user.name}/who.php", "v0.test", close=True)).is_account(user)
    assert server.get("/", "v0.test").status == 500


def test_expression_wins_over_a_nearer_user(servers, kind, tree):
    """As in mpm-itk."""
    lines = ("AssignUserIDExpr itk2t001", "<Location /x>", "AssignUserID itk2t002 itk2t002", "</Location>")
    root = tree.root / "nearer"
    root.mkdir()
    root.chmod(0o755)
    (root / "x").mkdir(mode=0o755)
    for folder in (root, root / "x"):
        (folder / "ids.php").write_text("<?php echo posix_geteuid(), ' ', posix_getegid();")
    server = servers.start(kind, sites=[Site("v0.test", root, "itk2t003 itk2t004", lines)], tls=False)
    for path, ids in (("/ids.php", b"30001 30004"), ("/x/ids.php", b"30001 30002")):
        with server.connect() as connection:
            assert connection.get(path, "v0.test", close=True).body == ids
