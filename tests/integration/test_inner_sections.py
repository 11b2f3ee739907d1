"""AssignUserID within Directory, Location, Files and If: right user, before anything of the site is touched.

Every section's folder is closed to all but its user, its .htaccess too: only he can have served from it.
"""
import itertools
import random

import pytest

from itk2_testing import accounts, private_files, proc
from itk2_testing.asking import Asking
from itk2_testing.client import Broken, Who, fingerprint, request
from itk2_testing.configuration import Plan, Site
from itk2_testing.front_proxies import Clients
from itk2_testing.migration import intended
from itk2_testing.waiting import poll

_numbers = itertools.count()
OWN, ADMIN = accounts.account(0), accounts.account(1)
OTHERS = (r"AH00529: ", r"AH00132: ", r"\[mpm_itk:", r"ITK26\d\d: ", r"ITK2507: ", r"AH0003[56]: ", r"AH00670: ",
          r"\[include:error\]", r"AH10244: ")

# Name, which is the folder's too: the section around AssignUserID. @D@ is the document root. The user is a number
# that follows from the place in this table.
SECTIONS = {
    "directory": '<Directory "@D@/directory">\n{}\n</Directory>',
    "directory-with-slash": '<Directory "@D@/directory-with-slash/">\n{}\n</Directory>',
    "directory-wildcard": '<Directory "@D@/*-wildcard">\n{}\n</Directory>',
    "directory-tilde": '<Directory ~ "^@D@/directory-t[a-z]+">\n{}\n</Directory>',
    "directory-match": '<DirectoryMatch "^@D@/[a-z]+-match/?">\n{}\n</DirectoryMatch>',
    "location": '<Location "/location/">\n{}\n</Location>',
    "location-wildcard": '<Location "/location-wild*/*">\n{}\n</Location>',
    "place-match": '<LocationMatch "^/place-m(a|e)tch/">\n{}\n</LocationMatch>',
    "place-tilde": '<Location ~ "^/place-tild[e]/">\n{}\n</Location>',
    "if": '<If "%{{REQUEST_URI}} =~ m#^/if/#">\n{}\n</If>',
    "if-in-location": '<Location "/if-in-location">\n<If "true">\n{}\n</If>\n</Location>',
    "else": '<If "%{{REQUEST_URI}} !~ m#^/else/#">\n</If>\n<Else>\n{}\n</Else>',
    "nested-if": '<If "%{{REQUEST_METHOD}} != \'TRACE\'">\n<If "%{{REQUEST_URI}} =~ m#^/nested-if/#">\n{}\n</If>\n'
                 "</If>",
    "location-over-directory": '<Directory "@D@/location-over-directory">\nAssignUserID itk2t099 itk2t099\n'
                               "</Directory>\n<Location /location-over-directory>\n{}\n</Location>",
    "if-over-location": "<Location /if-over-location>\nAssignUserID itk2t099 itk2t099\n</Location>\n"
                        '<If "%{{REQUEST_URI}} =~ m#^/if-over#">\n{}\n</If>',
    "deeper-over-directory": '<Directory "@D@">\nAssignUserID itk2t000 itk2t000\n</Directory>\n'
                             '<Directory "@D@/deeper-over-directory">\n{}\n</Directory>',
}
# The same of the server, outside the virtual hosts.
SERVER_SECTIONS = {
    "server-directory": '<Directory "@D@/server-directory">\n{}\n</Directory>',
    "server-directory-match": '<DirectoryMatch "/server-directory-ma">\n{}\n</DirectoryMatch>',
    "server-location": "<Location /server-location>\n{}\n</Location>",
    "server-place-match": '<LocationMatch "^/server-place-match">\n{}\n</LocationMatch>',
    "server-if": '<If "%{{REQUEST_URI}} =~ m#^/server-if/#">\n{}\n</If>',
}
# Only the file is the user's; it lies in a folder that everybody may enter.
FILES = {
    "files": ("/files-only.php", '<Files "files-only.php">\n{}\n</Files>'),
    "files-wildcard": ("/wild-1.php", '<Files "wild-?.php">\n{}\n</Files>'),
    "files-match": ("/matched.php", '<FilesMatch "^match.*\\.php$">\n{}\n</FilesMatch>'),
    "files-in-directory": ("/sub/who.php", '<Directory "@D@/sub">\n<Files "who.php">\n{}\n</Files>\n</Directory>'),
    "if-in-files": ("/iffy.php", '<Files "iffy.php">\n<If "true">\n{}\n</If>\n</Files>'),
}
USERS = {name: accounts.account(10 + place) for place, name in enumerate((*SECTIONS, *SERVER_SECTIONS, *FILES))}


def text_of(section, name, root):
    user = USERS[name].name
    return section.format(f"AssignUserID {user} {user}").replace("@D@", str(root))


def make_files(root):
    private_files.folder(root, OWN, 0o755, htaccess=False)
    for name in (*SECTIONS, *SERVER_SECTIONS):
        private_files.folder(root / name, USERS[name])
    private_files.folder(root / "sub", OWN, 0o755, htaccess=False)
    for name, (path, _) in FILES.items():
        private_files.write(root / path[1:], private_files.WHO_PHP, USERS[name])
    private_files.folder(root / "pma", ADMIN)
    program = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\nid -u\nid -G\n"
    private_files.write(root / "if" / "run.cgi", program, USERS["if"], 0o500)
    (root / "link").symlink_to(root / "directory")
    (root / "closed-link").symlink_to(root / "location")
    private_files.folder(root / "own", OWN, page_shtml='own <!--#include virtual="/directory/who.php" -->end\n',
                         near_shtml='own <!--#include virtual="/own/who.php" -->end\n')
    rewrites = ("RewriteEngine On\nRewriteRule ^near$ /own/who.php\nRewriteRule ^inside$ who.php\n"
                "RewriteRule ^far$ /directory/who.php\n"
                "ErrorDocument 404 /own/who.php\nErrorDocument 410 /directory/who.php\n"
                "RewriteRule ^gone$ - [G]\nOptions +Includes\nAddType text/html .shtml\n"
                "AddOutputFilter INCLUDES .shtml\n")
    private_files.write(root / "own" / ".htaccess", rewrites, OWN)


def lines_of(root):
    sections = [text_of(section, name, root) for name, section in SECTIONS.items()]
    sections += [text_of(section, name, root) for name, (_, section) in FILES.items()]
    as_said = [f'<If "{condition}">\nAssignUserID {user} {user}\n</If>' for condition, user in
               (("%{HTTP:X-As} == 'b'", "itk2t002"), ("%{QUERY_STRING} == 'as=c'", "itk2t003"))]
    # Answered before it is known whose they are; only the documents of the errors are somebody's.
    early = ("Redirect /old http://elsewhere.test/new", "ErrorDocument 400 /directory/who.php",
             "ErrorDocument 406 /location/who.php", "RewriteEngine On", "RewriteRule ^/not-here$ - [R=406]",
             f'ScriptAlias /run "{root}/if/run.cgi"', "<Location /run>",
             f"AssignUserID {USERS['if'].name} {USERS['if'].name}", "</Location>")
    link = f'<Directory "{root}/link">\nAssignUserID {USERS["directory"].name} {USERS["directory"].name}\n</Directory>'
    open_to_all = f'Alias /facts {root.parent}/inner-facts'
    return tuple("\n".join((*sections, *as_said, *early, link, open_to_all)).split("\n"))


@pytest.fixture(scope="module")
def server(module_servers, kind, tree):
    root = tree.root / "inner"
    make_files(root)
    facts = private_files.open_folder(tree.root / "inner-facts")
    private_files.write(facts / "who.php", private_files.WHO_PHP, OWN, 0o444)
    own = f"{OWN.name} {OWN.name}"
    sites = [Site("inner.test", root, own, lines_of(root)),
             Site("plain.test", tree.docroot(accounts.account(5)), "itk2t005 itk2t005")]
    # As Debian's phpmyadmin comes: an alias and a Directory for all sites, here of a user of its own.
    server_lines = [f"Alias /phpmyadmin {root}/pma",
                    f'<Directory "{root}/pma">\nAssignUserID {ADMIN.name} {ADMIN.name}\n</Directory>']
    server_lines += [text_of(section, name, root) for name, section in SERVER_SECTIONS.items()]
    server = module_servers.make(Plan(kind, sites, lines=tuple("\n".join(server_lines).split("\n")),
                                      modules=("include", "cgi"))).start()
    server.allow(*OTHERS)
    return server


@pytest.fixture(scope="module")
def asking(server):
    return Asking(server, misleading=("/", "/sub", "/facts"))


both = pytest.mark.holds_for("itk")
transports = pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])


@both
@transports
@pytest.mark.parametrize("name", (*SECTIONS, *SERVER_SECTIONS))
def test_section_is_served_by_its_user(asking, name, tls):
    for path in (f"/{name}/who.php", f"/{name}/"):
        answer = asking.get(path, "inner.test", tls=tls)
        assert Who.of(answer).is_account(USERS[name])
        assert answer.header("X-Htaccess") == name
    static = asking.get(f"/{name}/who.txt", "inner.test", tls=tls)
    assert (static.status, static.body) == (200, f"{USERS[name].uid} of {name}\n".encode())


# "*" of a Location does not go beyond a slash: that one is not for /and/more.
@pytest.mark.parametrize("name", sorted({*SECTIONS, *SERVER_SECTIONS} - {"location-wildcard"}))
def test_path_after_the_script_is_no_obstacle(asking, name):
    """httpd looks up where /and/more would lead: to another user. mpm-itk ends the connection for it."""
    intended("moves-to-another-user")
    assert Who.of(asking.get(f"/{name}/who.php/and/more", "inner.test")).is_account(USERS[name])


@both
@transports
@pytest.mark.parametrize("name", FILES)
def test_file_of_a_section_is_served_by_its_user(asking, name, tls):
    assert Who.of(asking.get(FILES[name][0], "inner.test", tls=tls)).is_account(USERS[name])
    assert Who.of(asking.get("/who.php", "inner.test", tls=tls)).is_account(OWN)


@both
@transports
def test_path_that_all_sites_share_is_served_by_its_own_user(asking, tls):
    for site, user in (("inner.test", OWN), ("plain.test", accounts.account(5))):
        for path in ("/phpmyadmin/", "/phpmyadmin/who.php", "/phpmyadmin"):
            answer = asking.get(path, site, tls=tls)
            if path == "/phpmyadmin":
                assert (answer.status, answer.header("Location", "").endswith("/phpmyadmin/")) == (301, True)
            else:
                assert Who.of(answer).is_account(ADMIN) and answer.header("X-Htaccess") == "pma"
        assert Who.of(asking.get("/who.php", site, tls=tls)).is_account(user)


@both
def test_user_may_depend_on_any_header_or_query(asking):
    """No path tells; each request of these comes to the right user all the same."""
    intended("guess")
    for _ in range(5):
        for options, user in (({}, 0), ({"headers": ("X-As: b",)}, 2), ({"headers": ("X-As: a",)}, 0)):
            assert Who.of(asking.get("/facts/who.php", "inner.test", **options)).uid == accounts.account(user).uid
        assert Who.of(asking.get("/facts/who.php?as=c", "inner.test")).uid == accounts.account(3).uid


@both
def test_symlink_is_served_by_the_user_of_the_section_that_names_it(asking):
    assert Who.of(asking.get("/link/who.php", "inner.test")).is_account(USERS["directory"])
    assert asking.get("/closed-link/who.txt", "inner.test").status == 403


@both
@transports
def test_mixture_of_all_sections_on_new_connections_finds_each_its_user(asking, tls):
    """Workers of all the others are warm; a look at the first bytes that misleads must not be seen."""
    wishes = [(f"/{name}/who.php", USERS[name]) for name in (*SECTIONS, *SERVER_SECTIONS)]
    wishes += [(path, USERS[name]) for name, (path, _) in FILES.items()] + [("/who.php", OWN), ("/own/who.php", OWN)]
    order = random.Random(4)
    for _ in range(150):
        path, user = order.choice(wishes)
        assert Who.of(asking.get(path, "inner.test", tls=tls)).is_account(user), path


MISLEADING = ["/location/../directory/who.php", "/location/%2e%2e/directory/who.php",
              "/location/./../directory/who.php",
              "//directory/who.php", "/location//../directory/who.php", "/%64irectory/who.php", "/directory%2fwho.php",
              "/location/..;/directory/who.php", "/directory/../location/who.php", "/directory/who.php/../../location/",
              "/location/who.php?/../directory/", "/location/%2e%2e%2fdirectory/who.php", "/DIRECTORY/who.php",
              "/location\\..\\directory/who.php", "/sub/../directory/./who.php", "/location/%00/../directory/who.php",
              "/location/%252e%252e/directory/who.php", "/directory#/location/", "directory/who.php", "*", ""]


@pytest.mark.parametrize("path", MISLEADING)
def test_misleading_path_is_served_by_its_files_owner_or_not_at_all(server, path):
    """While workers of both places are warm."""
    for warm in ("location", "directory"):
        assert server.get(f"/{warm}/who.php", "inner.test").status == 200
        for target in (path, "http://inner.test" + path):
            with server.connect() as connection:
                heard = connection.send(f"GET {target} HTTP/1.1\r\nHost: inner.test\r\nConnection: close\r\n\r\n"
                                        .encode()).rest()
            status, body = int(heard[9:12] or b"0"), heard.split(b"\r\n\r\n", 1)[-1].split()
            if status == 200:
                assert body[0] == body[3], heard
            else:
                assert status in (0, 400, 403, 404, 421), heard


def answer_or_end(server, path, **options):
    try:
        return server.get(path, "inner.test", **options)
    except (Broken, ConnectionResetError):
        return None


@both
def test_rewriting_within_a_directory_stays_with_its_user(asking):
    for path in ("/own/near", "/own/inside"):
        assert Who.of(asking.get(path, "inner.test")).is_account(OWN)


@both
def test_rewriting_into_another_users_directory_is_not_served(server):
    """The request has become its first user's by then, for .htaccess is that user's."""
    answer = answer_or_end(server, "/own/far")
    intended("moves-to-another-user")
    assert answer is None if server.plan.kind == "itk" else answer.status in (421, 500), answer


@both
def test_error_document_of_the_same_user_is_served_by_him(server):
    answer = server.get("/own/missing", "inner.test")
    assert answer.status == 404 and answer.body.split()[0] == str(OWN.uid).encode()


@both
def test_error_document_of_another_user_is_not_run(server):
    answer = answer_or_end(server, "/own/gone")
    if server.plan.kind != "itk":
        assert answer.status in (410, 421, 500) and str(USERS["directory"].uid).encode() not in answer.body, answer


@both
def test_included_page_of_the_same_user_is_served_by_him(server):
    answer = server.get("/own/near.shtml", "inner.test")
    assert answer.body.startswith(f"own {OWN.uid} {OWN.gid} ".encode()) and answer.body.endswith(b"end\n"), answer


@both
def test_included_page_of_another_user_is_left_out(server):
    """mpm-itk ends the connection in the midst of the page."""
    answer = answer_or_end(server, "/own/page.shtml")
    if server.plan.kind != "itk":
        assert (answer.status, answer.body[:4], answer.body[-4:]) == (200, b"own ", b"end\n"), answer
        assert f"{USERS['directory'].uid} ".encode() not in answer.body


@both
def test_what_httpd_answers_by_itself_is_answered(server):
    for _ in range(5):
        with server.connect() as connection:
            answer = connection.get("/old/page", "inner.test")
            assert (answer.status, answer.header("Location")) == (302, "http://elsewhere.test/new/page")
        with server.connect() as connection:
            assert connection.get("*", "inner.test", method="OPTIONS", close=True).status == 200
        with server.connect() as connection:
            assert connection.get("/", "inner.test", method="TRACE", close=True).status in (200, 405)


@both
def test_document_of_an_early_error_is_run_by_its_user_or_not_at_all(server):
    for target, status, user in (("/not-here", 406, "location"), ("/%zz", 400, "directory")):
        with server.connect() as connection:
            answer = connection.get(target, "inner.test", close=True)
        first = answer.body.split()[0]
        assert answer.status == status and first in (str(USERS[user].uid).encode(), b"<!DOCTYPE"), answer


@both
def test_program_of_a_section_is_started_by_its_user(asking):
    user = USERS["if"]
    answer = asking.get("/run", "inner.test")
    assert answer.body.split()[0] == str(user.uid).encode() and {int(word) for word in answer.body.split()[1:]} == {
        user.uid, *user.groups}


@both
@transports
def test_large_body_is_read_by_the_right_user(asking, tls):
    body = random.Random(6).randbytes(3 << 20)
    for name in ("directory", "location", "if"):
        answer = asking.get(f"/{name}/echo.php", "inner.test", tls, method="POST", body=body)
        expected = f"{USERS[name].uid} {len(body)} {fingerprint(body)[-8:]}\n"
        assert (answer.status, answer.body.decode()) == (200, expected)


@both
@transports
def test_expect_continue_is_answered_by_the_right_user(server, tls):
    with server.connect(tls=tls, sni="inner.test") as connection:
        connection.send(b"POST /directory/echo.php HTTP/1.1\r\nHost: inner.test\r\nContent-Length: 5\r\n"
                        b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
        assert connection.interim().status == 100
        answer = connection.send(b"hello").answer()
        assert answer.body.split()[:2] == [str(USERS["directory"].uid).encode(), b"5"]


@both
@transports
def test_pipelined_requests_of_one_user_are_answered_in_order(server, tls):
    with server.connect(tls=tls, sni="inner.test") as connection:
        connection.send(b"".join(request(f"/directory/who.{end}", "inner.test") for end in ("php", "txt", "php")))
        assert Who.of(connection.answer()).is_account(USERS["directory"])
        assert connection.answer().body == f"{USERS['directory'].uid} of directory\n".encode()
        assert Who.of(connection.answer()).is_account(USERS["directory"])


@transports
def test_pipelined_request_of_another_user_gets_nothing(server, tls):
    with server.connect(tls=tls, sni="inner.test") as connection:
        connection.send(request("/directory/who.php", "inner.test") + request("/location/who.php", "inner.test"))
        assert Who.of(connection.answer()).is_account(USERS["directory"])
        assert connection.rest() == b""


@both
def test_head_in_pieces_is_served_by_the_right_user(server):
    whole = request("/directory/who.php", "inner.test", close=True)
    with server.connect() as connection:
        for begin in range(0, len(whole), 20):
            connection.send(whole[begin:begin + 20])
        assert Who.of(connection.answer()).is_account(USERS["directory"])


def start_small(servers, kind, tree, script=""):
    """v0.test, and its /other/ of another user; a script for each."""
    user = accounts.account(1)
    folder = tree.root / f"small-{next(_numbers)}"
    private_files.folder(folder, USERS["if"], 0o755, say_php=script)
    site = servers.user_sites(1, lines=(f"Alias /other {folder}", "<Location /other>",
                                        f"AssignUserID {user.name} {user.name}", "</Location>"))[0]
    for name in ("who.php", "say.php", ".htaccess"):
        (folder / name).chmod(0o444)
    return servers.make(Plan(kind, [site])).start()


def test_process_that_parses_is_nobodys_and_has_no_privilege_outside(servers, kind, tree):
    """Before the first byte: no id of a site, a user namespace of its own without any id, nothing to inherit."""
    server = start_small(servers, kind, tree)
    parsers = poll(lambda: server.in_role("parser"), "no parser")
    taken = {user.uid for user in accounts.accounts()} | {0, 33}
    for process in parsers:
        status = process.status()
        assert len({*status.uids, *status.gids}) <= 2 and not taken & {*status.uids, *status.gids} and not status.groups
        assert status.bounding == status.inheritable == status.ambient == 0
        assert status.permitted | proc.SET_IDS == proc.SET_IDS
        assert [open(f"/proc/{process.pid}/{name}_map").read() for name in ("uid", "gid")] == ["", ""]


def test_worker_from_a_parser_has_an_id_of_its_own_alone(servers, kind, tree):
    """The kernel knows no other user for it: files of others look as nobody's, set-uid programs start as itself."""
    intended("found-by-a-parser")
    server = start_small(servers, kind, tree, """<?php
        echo posix_geteuid(), " ", fileowner("/etc/passwd"), " ", fileowner("/proc/self/fd/0") !== false, " ",
             trim(file_get_contents("/proc/self/uid_map"));""")
    user = accounts.account(1)
    assert server.get("/other/say.php").body.split() == f"{user.uid} 65534 1 {user.uid} {user.uid} 1".encode().split()


@both
def test_connections_one_after_the_other_do_not_pile_up_workers(servers, kind, tree):
    """Inside TLS nothing tells these two places apart, so each connection is parsed."""
    server = start_small(servers, kind, tree)
    asking = Asking(server)
    for _ in range(30):
        for path, uid in (("/other/who.php", 30001), ("/who.php", 30000)):
            assert Who.of(asking.get(path, "v0.test", tls=True)).uid == uid
    poll(lambda: len(server.in_role("worker")) <= 10, lambda: f"{len(server.in_role('worker'))} stay", deadline=5)


@both
def test_restart_keeps_every_section(server):
    server.graceful()
    for name in SECTIONS:
        assert Who.of(server.get(f"/{name}/who.php", "inner.test")).is_account(USERS[name])


@both
def test_restarts_under_load_fail_no_request_of_any_place(server):
    """Eight clients, each request on a new connection, in all places at once."""
    places = [("inner.test", f"/{name}/who.php", user) for name, user in [*USERS.items(), ("own", OWN)]
              if name not in FILES]
    clients = Clients(server.ports["http"], places, clients=8, requests=100, kept=False).start()
    for _ in range(3):
        server.graceful()
    clients.finish()
    assert clients.failures == [] and clients.answered == 800
