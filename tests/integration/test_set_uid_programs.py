"""What set-uid programs gain that a site starts: nothing by default, and with SetUidPrograms On what they gain elsewhere.

The program does what sudo does: set-uid root, it takes all ids and groups of another user. Under prefork it can.
"""
import os
import subprocess

import pytest

from itk2_testing import accounts, proc
from itk2_testing.client import Who
from itk2_testing.configuration import Plan
from itk2_testing.private_files import write
from itk2_testing.waiting import poll
from itk2_testing.waiting_script import RunningRequest

ON, OFF = ("SetUidPrograms On",), ("SetUidPrograms Off",)
OTHER = accounts.account(9)

HELPER_C = """
#define _GNU_SOURCE
#include <grp.h>
#include <stdio.h>
#include <unistd.h>
int main(void)
{
    gid_t groups[] = {%d};
    if (setgroups(1, groups) || setresgid(%d, %d, %d) || setresuid(%d, %d, %d))
        return puts("refused"), 0;
    return printf("is %%d %%d\\n", getuid(), getgid()), 0;
}
"""


@pytest.fixture(scope="module")
def helper(tree):
    """The set-uid program, and each site's script that starts it."""
    source = tree.root / "helper.c"
    source.write_text(HELPER_C % ((OTHER.gid,) * 4 + (OTHER.uid,) * 3))
    program = tree.root / "helper"
    subprocess.run(["cc", "-Wall", "-o", program, source], check=True, timeout=60)
    os.chown(program, 0, 0)
    program.chmod(0o4755)
    scripts = []
    for user in accounts.accounts(2):
        path = tree.docroot(user) / "helper.php"
        write(path, f'<?php header("Content-Type: text/plain"); echo shell_exec("{program}");', user)
        scripts.append(path)
    yield "/helper.php"
    for path in [program, *scripts]:
        path.unlink()


def as_elsewhere(server, helper, site):
    """Whether the program has become the other user."""
    said = server.get(helper, site).body.decode().strip()
    assert said in ("refused", f"is {OTHER.uid} {OTHER.gid}"), said
    return said != "refused"


def held_status(server, site):
    running = RunningRequest(server, site)
    status = proc.Process.of(running.begun()).status()
    assert running.finish().status == 200
    return status


def masters_bounding(server):
    return server.master.status().bounding


def test_they_work_under_prefork(servers, helper):
    """The control: the program and the file system it lies on."""
    assert as_elsewhere(servers.start("prefork", 1), helper, "v0.test")


def test_they_gain_nothing_by_default_and_workers_hold_nothing(servers, kind, helper):
    server = servers.start(kind, 1)
    assert not as_elsewhere(server, helper, "v0.test")
    assert held_status(server, "v0.test").capability_sets == (0,) * 5


def test_one_site_has_them_and_another_not(servers, kind, helper):
    first, second = servers.user_sites(2)
    first.lines, second.lines = ON, OFF
    server = servers.start(kind, sites=[first, second])
    for _ in range(3):
        assert as_elsewhere(server, helper, "v0.test") and not as_elsewhere(server, helper, "v1.test")
    assert Who.of(server.get("/who.php", "v0.test")).is_account(accounts.account(0))
    status = held_status(server, "v0.test")
    assert status.capability_sets == (0, 0, 0, masters_bounding(server), 0) and status.no_new_privs == 0
    assert held_status(server, "v1.test").capability_sets == (0,) * 5


def test_set_for_the_server_it_holds_for_all_and_spares_hold_two_capabilities(servers, kind, helper):
    server = servers.start(kind, 2, lines=ON)
    assert as_elsewhere(server, helper, "v0.test") and as_elsewhere(server, helper, "v1.test")
    spares = poll(lambda: server.in_role("spare"), "no spare")
    for spare in spares:
        status = spare.status()
        if server.role(spare) == "spare":
            assert status.capability_sets == (0, proc.SET_IDS, proc.SET_IDS, masters_bounding(server), 0)


def test_graceful_restart_changes_it(servers, kind, helper):
    server = servers.start(kind, 1, lines=ON)
    assert as_elsewhere(server, helper, "v0.test")
    server.plan.lines = OFF
    server.write_config()
    server.graceful()
    poll(lambda: not as_elsewhere(server, helper, "v0.test"), "still with what it had")


def test_new_privileges_are_refused_where_the_administrator_asks_for_it(servers, kind, helper):
    first, second = servers.user_sites(2)
    first.lines = ("NoNewPrivileges On",)
    server = servers.start(kind, sites=[first, second])
    assert not as_elsewhere(server, helper, "v0.test")
    assert held_status(server, "v0.test").no_new_privs == 1
    assert held_status(server, "v1.test").no_new_privs == 0


@pytest.mark.parametrize("lines,identities,said", [
    ((ON, OFF), (0, 0), "ITK2824"), ((("NoNewPrivileges On",), ()), (0, 0), "ITK2824"),
    ((ON + ("NoNewPrivileges On",), ()), (0, 1), "ITK2823")], ids=["differ", "differ-in-the-other", "contradict"])
def test_what_contradicts_does_not_start_and_says_where(servers, kind, lines, identities, said):
    sites = servers.user_sites(2)
    for number, site in enumerate(sites):
        user = accounts.account(identities[number])
        site.lines, site.identity = lines[number], f"{user.name} {user.name}"
    server = servers.make(Plan(kind, sites))
    server.allow(".")
    done = server.try_start()
    assert done.returncode != 0 and said in done.stdout + done.stderr and "v0.test" in done.stdout + done.stderr


def mailer(program):
    return (f'php_admin_value sendmail_path "{program} -t -i"',)


HELPERS, OTHERS = mailer("@HELPER@"), mailer("/bin/true")
IN_FOLDER = ("<Directory />", *HELPERS, "</Directory>")


@pytest.mark.parametrize("whole,first,second,is_said", [
    (OTHERS, (), (), False), (HELPERS, (), (), True), (OTHERS, (), HELPERS, True), (OTHERS, (), IN_FOLDER, True),
    (OTHERS, (), HELPERS + ON, False), (HELPERS + ON, (), (), False), (HELPERS + ON, (), OFF, True), (OTHERS + ON, HELPERS, OFF, False),
], ids=["none", "of-all", "of-a-site", "of-a-folder", "of-a-site-that-may", "of-all-who-may", "of-one-who-may-not", "of-another"])
def test_the_server_says_where_mail_is_sent_by_such_a_program(servers, kind, helper, tree, whole, first, second, is_said):
    def told(lines):
        return tuple(line.replace("@HELPER@", str(tree.root / "helper")) for line in lines)
    sites = servers.user_sites(2)
    sites[0].lines, sites[1].lines = told(first), told(second)
    server = servers.start(kind, sites=sites, lines=told(whole))
    assert server.get("/who.txt", "v0.test").status == 200
    said = f"ITK2825: {tree.root / 'helper'} is a set-uid program"
    server.allow(*([said] if is_said else []))
    assert (said in server.log()) == is_said, server.log()


def test_sites_of_one_user_that_say_the_same_start(servers, kind):
    sites = servers.user_sites(2)
    for site in sites:
        site.identity, site.lines = sites[0].identity, ON
    server = servers.start(kind, sites=sites)
    assert server.get("/who.txt", "v0.test").status == 200
