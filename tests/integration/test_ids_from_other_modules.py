"""Modules for mass hosting that say, in mpm-itk's own per-directory configuration, whose each request is."""
import pytest

from itk2_testing import accounts, pairs, private_files
from itk2_testing.client import Broken
from itk2_testing.compiling import Compiler
from itk2_testing.configuration import Site
from itk2_testing.migration import intended
from itk2_testing.private_files import Facts

FIRST, THIRD = accounts.account(1), accounts.account(3)
USERS = (f"VhsUser first.test {FIRST.uid} {FIRST.gid}", f"VhsUser third.test {THIRD.uid} {THIRD.gid}")


@pytest.fixture(scope="module")
def load(tree):
    return (Compiler(tree.root)("vhs"),)


@pytest.fixture(scope="module")
def folder(tree):
    return private_files.open_folder(tree.root / "hosting")


def mass_hosting(folder, *lines):
    return [Site("hosting.test", folder, "itk2t005 itk2t005", ("ServerAlias *.test", *lines))]


def ask(server, host):
    return server.get("/facts.php", host)


def test_request_runs_as_the_module_says(servers, folder, kind, load):
    pair = pairs.start(servers, kind, mass_hosting(folder), load=load, lines=USERS, tls=False)
    for _ in range(3):
        for user, host in ((FIRST, "first.test"), (THIRD, "third.test"), (accounts.account(5), "other.test")):
            control, subject = pair.get("/facts.php", host)
            assert Facts.of(control).ids[:2] == Facts.of(subject).ids[:2] == (user.uid, user.gid)
            if not pair.alone:
                assert Facts.of(subject).ids[2] == user.groups
    intended("groups-of-other-modules")


@pytest.mark.parametrize("name", ["itk.c", "mpm_itk.c"])
def test_every_name_of_mpm_itk_leads_to_the_same(servers, folder, kind, load, name):
    server = servers.make(pairs.plan(kind, mass_hosting(folder), load=load, lines=(*USERS, f"VhsFinds {name}"))).start()
    for tls in (False, True):
        answer = server.get("/facts.php", "third.test", tls=tls)
        assert Facts.of(answer).ids == (THIRD.uid, THIRD.gid, THIRD.groups)


def test_what_was_said_of_one_request_is_forgotten_at_the_next(servers, folder, kind, load):
    """In one process: the memory is the server's. A kept connection goes to its own worker again, which must see that
    the next request is not its own."""
    server = servers.make(pairs.plan(kind, mass_hosting(folder), load=load, tls=False, lines=USERS)).start()
    server.allow("ITK2601")
    for _ in range(3):
        with server.connect() as connection:
            assert Facts.of(connection.get("/facts.php", "first.test")).ids[0] == FIRST.uid
            with pytest.raises(Broken):
                connection.get("/facts.php", "other.test")


@pytest.mark.parametrize("uid, why", [(0, "LimitUIDRange"), (4170, "no account has that uid")], ids=["root", "nobodys"])
def test_what_no_site_may_be_is_refused(servers, folder, kind, load, uid, why):
    server = servers.make(pairs.plan(kind, mass_hosting(folder), load=load, tls=False,
                                     lines=(f"VhsUser bad.test {uid} {FIRST.gid}",))).start()
    server.allow("ITK2603|ITK2208")
    assert ask(server, "bad.test").status == 500
    server.expect(why)
    assert ask(server, "good.test").status == 200


def test_an_inner_sections_user_is_nearer(servers, folder, kind, load):
    site = mass_hosting(folder, "<Location /facts.php>", "AssignUserID itk2t002 itk2t002", "</Location>")
    pair = pairs.start(servers, kind, site, load=load, lines=USERS, tls=False)
    control, subject = pair.get("/facts.php", "first.test")
    assert Facts.of(control).ids[:2] == Facts.of(subject).ids[:2] == (30002, 30002)
