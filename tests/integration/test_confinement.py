"""Where parsers can't be confined, a server that needs them does not start, unless the weaker tier is chosen by name."""
import sys

import pytest

from itk2_testing import accounts, in_user_namespace
from itk2_testing.client import Who
from itk2_testing.configuration import Plan

INNER = ('<Location "/inner">', "AssignUserID itk2t001 itk2t001", "</Location>")
WEAKER = ("ParserConfinement capabilities",)
# One user namespace inside another is what a parser takes; the probe takes it too.
WITHOUT = (sys.executable, in_user_namespace.__file__, "0")
WITH = (sys.executable, in_user_namespace.__file__, "-")
NO_FOLDER = "ITK2024"  # what else such containers lack
NO_SYS_ADMIN = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all")


def make(servers, kind, wrapper, site_lines=INNER, server_lines=()):
    first, second = servers.user_sites(2)
    first.lines = (f"Alias /inner {second.docroot}", *site_lines)
    server = servers.make(Plan(kind, [first], lines=server_lines, tls=False))
    server.wrapper = wrapper
    return server


def assert_serves_both(server):
    assert Who.of(server.get("/who.php", "v0.test")).is_account(accounts.account(0))
    assert Who.of(server.get("/inner/who.php", "v0.test")).is_account(accounts.account(1))


def refusal(server):
    server.allow(".")
    done = server.try_start()
    assert done.returncode != 0 and not server.survivors()
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "ITK2" in line]
    assert len(lines) == 1, lines
    return lines[0]


def test_without_user_namespaces_it_does_not_start(servers, kind):
    said = refusal(make(servers, kind, WITHOUT))
    assert "ITK2211" in said and "ParserConfinement" in said and "new-namespace" in said


@pytest.mark.parametrize("wrapper", [WITH, ()], ids=["in-a-container", "here"])
def test_with_user_namespaces_it_serves_and_says_how_parsers_are_confined(servers, kind, wrapper):
    server = make(servers, kind, wrapper)
    server.allow(NO_FOLDER)
    server.start()
    assert_serves_both(server)
    assert "ITK2212" in server.log()


def test_weaker_tier_has_to_be_named_and_is_said_loudly(servers, kind):
    server = make(servers, kind, WITHOUT, server_lines=WEAKER)
    server.allow("ITK2213", NO_FOLDER)
    server.start()
    assert_serves_both(server)
    assert "ITK2213" in server.log()


def test_without_the_capability_it_does_not_start_and_names_it(servers, kind):
    said = refusal(make(servers, kind, NO_SYS_ADMIN))
    assert "CAP_SYS_ADMIN" in said


def test_who_needs_no_parser_needs_nothing_of_it(servers, kind):
    for wrapper in (WITHOUT, NO_SYS_ADMIN):
        server = make(servers, kind, wrapper, site_lines=())
        server.allow(NO_FOLDER)
        server.start()
        assert Who.of(server.get("/who.php", "v0.test")).is_account(accounts.account(0))
        assert "ITK221" not in server.log()
        server.stop()
