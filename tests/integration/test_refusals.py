"""What may not be configured is refused at start, in one line that says what and where; what may be is taken."""
import subprocess
from pathlib import Path

import pytest

from itk2_testing import accounts
from itk2_testing.client import Who
from itk2_testing.configuration import Plan, Site, itk2_listener, itk2_module, libexecdir


def refusal(servers, kind, server_lines=(), site_lines=(), identity="itk2t000 itk2t000", load=(), wrapper=()):
    """What is said when this does not start; nothing of it may run afterwards."""
    site = servers.user_sites(1, lines=tuple(site_lines))[0]
    site.identity = identity
    server = servers.make(Plan(kind, [site], lines=tuple(server_lines), load=tuple(load), php=False, tls=False))
    server.allow(".")
    server.wrapper = wrapper
    done = server.try_start()
    said = done.stdout + done.stderr + server.log()
    assert done.returncode != 0, f"starts: {said}"
    assert "resuming normal operations" not in said and not server.survivors()
    assert not server.pid_file.exists()
    return said


IDENTITIES = {
    "unknown-user": ("no-such-user itk2t000", "no-such-user"),
    "unknown-group": ("itk2t000 no-such-group", "no-such-group"),
    "root": ("root root", "LimitUIDRange"),
    "root-by-number": ("#0 #0", "LimitUIDRange"),
    "root-by-a-bare-number": ("0 0", "0"),
    "root-by-zeros": ("#00 #00", "LimitUIDRange"),
    "root-by-many-zeros": ("#00000000000000000000 #0000", "LimitUIDRange"),
    "root-by-hexadecimal": ("#0x0 #0x0", "0x0"),
    "root-by-a-sign": ("#+0 #+0", "+0"),
    "root-by-minus-0": ("#-0 #-0", "-0"),
    "root-by-a-blank": ('"# 0" "# 0"', "AssignUserID"),
    "root-by-nothing": ("# #", "AssignUserID"),
    "root-by-overflow": ("#4294967296 #4294967296", "4294967296"),
    "root-by-64-bit-overflow": ("#18446744073709551616 #18446744073709551616", "18446744073709551616"),
    "root-by-exponent": ("#0e5 #0e5", "0e5"),
    "root-in-quotes": ('"root" "root"', "LimitUIDRange"),
    "root-as-a-user-of-another-group": ("root itk2t000", "LimitUIDRange"),
    "root-by-number-with-a-group": ("#0 itk2t000", "LimitUIDRange"),
    "root-group": ("itk2t000 root", "LimitGIDRange"),
    "root-group-by-number": ("itk2t000 #0", "LimitGIDRange"),
    "root-group-by-zeros": ("itk2t000 #000", "LimitGIDRange"),
    "no-id": ("#4294967295 #4294967295", "4294967295"),
    "no-number": ("#abc #def", "abc"),
    "negative": ("#-5 #5", "-5"),
    "too-large": ("#99999999999 #5", "99999999999"),
    "one-argument": ("itk2t000", "AssignUserID"),
    "three-arguments": ("a b c", "AssignUserID"),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_identity_that_may_not_be_is_refused(servers, kind, name):
    identity, word = IDENTITIES[name]
    said = refusal(servers, kind, identity=identity)
    assert word in said and "AssignUserID" in said, said


ALIASES = {
    "an-account-with-uid-0": ("passwd", "itk2toor:x:0:30000::/nonexistent:/usr/sbin/nologin", "itk2toor itk2t000",
                              "LimitUIDRange"),
    "a-group-with-gid-0": ("group", "itk2wheels:x:0:", "itk2t000 itk2wheels", "LimitGIDRange"),
    "an-account-that-a-group-0-has-as-member": ("group", "itk2wheels:x:0:itk2t000", "itk2t000 itk2t000",
                                                "LimitGIDRange"),
}


@pytest.mark.parametrize("name", ALIASES)
@pytest.mark.parametrize("where", ["vhost", "location"])
def test_root_by_another_name_is_refused(servers, kind, name, where, tmp_path):
    """What the account database calls uid 0 or gid 0, whatever the name."""
    table, line, identity, word = ALIASES[name]
    site_lines = () if where == "vhost" else ('<Location "/inner">', f"AssignUserID {identity}", "</Location>")
    changed = tmp_path / table
    changed.write_text(Path(f"/etc/{table}").read_text() + line + "\n")
    wrapper = ("unshare", "-m", "sh", "-c", f'mount --bind "{changed}" /etc/{table} && exec "$@"', "sh")
    said = refusal(servers, kind, identity=identity if where == "vhost" else "itk2t001 itk2t001",
                   site_lines=site_lines, wrapper=wrapper)
    assert word in said and "ITK28" in said, said


SERVER_LINES = {
    "uid-below-range": ("LimitUIDRange 30001 30099", "LimitUIDRange"),
    "uid-above-range": ("LimitUIDRange 1 29999", "LimitUIDRange"),
    "gid-outside-range": ("LimitGIDRange 1 29999", "LimitGIDRange"),
    "supplementary-group-outside-range": ("LimitGIDRange 30000 30000", "30500"),
    "range-upside-down": ("LimitUIDRange 20 10", "LimitUIDRange"),
    "range-of-words": ("LimitUIDRange a b", "LimitUIDRange"),
    "listener-account-of-a-site": ("ListenerAccount itk2t000", "ListenerAccount"),
    "spare-account-of-a-site": ("SpareAccount itk2t000", "SpareAccount"),
    "listener-account-of-user": ("ListenerAccount www-data", "ListenerAccount"),
    "spare-account-of-user": ("SpareAccount www-data", "SpareAccount"),
    "listener-account-root": ("ListenerAccount root", "ListenerAccount"),
    "spare-account-root": ("SpareAccount #0", "SpareAccount"),
    "both-accounts-one": ("ListenerAccount #64001\nSpareAccount #64001", "Account"),
    "listener-account-unknown": ("ListenerAccount no-such-account", "no-such-account"),
    "listener-program-missing": ("ListenerProgram /nonexistent/itk2-listener", "/nonexistent/itk2-listener"),
    "nice-value-20": ("NiceValue 20", "NiceValue"),
    "nice-value-of-21": ("NiceValue -21", "NiceValue"),
    "nice-value-word": ("NiceValue high", "NiceValue"),
    "max-clients-vhost-negative": ("MaxClientsVHost -1", "MaxClientsVHost"),
    "listener-processes-0": ("ListenerProcesses 0", "ListenerProcesses"),
    "listener-processes-many": ("ListenerProcesses 100000", "ListenerProcesses"),
    "head-timeout-0": ("RequestHeadTimeout 0", "RequestHeadTimeout"),
    "queue-timeout-word": ("PoolQueueTimeout soon", "PoolQueueTimeout"),
    "worker-idle-negative": ("WorkerIdleTimeout -1", "WorkerIdleTimeout"),
    "keep-alive-wait-large": ("KeepAliveWait 999999999", "KeepAliveWait"),
}


@pytest.mark.parametrize("name", SERVER_LINES)
def test_directive_that_makes_no_sense_is_refused(servers, kind, name):
    line, word = SERVER_LINES[name]
    said = refusal(servers, kind, server_lines=[line])
    assert word in said, said


def test_listener_program_that_another_could_have_written_is_refused(servers, kind, tree):
    program = tree.root / "anybodys-listener"
    program.write_bytes(itk2_listener().read_bytes())
    program.chmod(0o777)
    assert "anybodys-listener" in refusal(servers, kind, server_lines=[f"ListenerProgram {program}"])


def test_real_mpm_itk_beside_it_is_refused(servers, kind):
    said = refusal(servers, kind, load=[f"LoadModule mpm_itk_module {libexecdir()}/mpm_itk.so"])
    assert "itk" in said, said


TAKEN = {
    "names": ("itk2t001 itk2t001", 30001, 30001),
    "quoted-names": ('"itk2t001" "itk2t001"', 30001, 30001),
    "numbers": ("#30001 #30001", 30001, 30001),
    "numbers-without-entry": ("#31777 #31778", 31777, 31778),
    "user-and-another-group": ("itk2t001 itk2t002", 30001, 30002),
    "www-data-group": ("itk2t001 www-data", 30001, 33),
    "large-number": ("#4294967290 #4294967290", 4294967290, 4294967290),
}


@pytest.mark.parametrize("name", TAKEN)
def test_every_form_of_assign_user_id_is_taken(servers, kind, tree, name):
    identity, uid, gid = TAKEN[name]
    server = servers.start(kind, sites=[Site("v0.test", tree.shared, identity)], tls=False)
    (tree.shared / "ids.php").write_text("<?php echo posix_geteuid(), ' ', posix_getegid();")
    assert server.get("/ids.php").body == f"{uid} {gid}".encode()


@pytest.mark.parametrize("line", ["LimitUIDRange 0 4294967295",
                                  "LimitUIDRange 0 4294967295\nLimitGIDRange 0 4294967295",
                                  "EnableCapabilities On", "EnableCapabilities Off", "MaxClients 100",
                                  "MaxRequestsPerChild 500",
                                  "ListenBacklog 100", "MaxMemFree 1024", "GracefulShutdownTimeout 5",
                                  "CoreDumpDirectory /tmp",
                                  "SendBufferSize 65536", "ServerLimit 20\nMaxRequestWorkers 20",
                                  "ListenerProcesses 1"])
def test_directives_of_mpm_itk_and_prefork_are_taken(servers, kind, line):
    server = servers.start(kind, 1, lines=tuple(line.split("\n")), tls=False)
    server.allow(r"EnableCapabilities")
    assert Who.of(server.get("/who.php")).is_account(accounts.account(0))


def test_root_is_served_where_the_range_says_so(servers, kind, tree):
    """Only LimitUIDRange and LimitGIDRange that name 0 allow it."""
    site = Site("v0.test", tree.shared, "root root")
    server = servers.start(kind, sites=[site], tls=False, lines=("LimitUIDRange 0 0", "LimitGIDRange 0 0"))
    assert server.get("/small.txt").status == 200
    worker = server.in_role("worker")[0].status()
    assert worker.uids == (0,) * 4 and worker.capability_sets == (0,) * 5


def test_if_module_of_every_name_in_the_wild_holds(servers, kind):
    """With the LoadModule lines under which the packages load it."""
    names = ("mpm_itk2_module", "mpm_itk_module", "mpm_itk.c", "itk.c", "prefork.c", "mpm_prefork_module",
             "mod_ruid2.c")
    lines = [f'<IfModule {name}>\nHeader always set X-Has-{number} yes\n</IfModule>' for number,
             name in enumerate(names)]
    load = tuple(f"LoadModule {name} {itk2_module()}" for name in ("mpm_prefork_module", "mpm_itk_module"))
    server = servers.start(kind, 1, lines=tuple(lines), load=load)
    answer = server.get("/who.txt")
    assert [name for number, name in enumerate(names) if answer.header(f"X-Has-{number}") != "yes"] == []


def test_assign_user_id_in_htaccess_is_not_obeyed(servers, kind, tree):
    user = accounts.account(7)
    (tree.docroot(user) / "sub").mkdir(mode=0o755)
    (tree.docroot(user) / "sub" / ".htaccess").write_text("AssignUserID itk2t001 itk2t001\n")
    server = servers.start(kind, sites=[Site("v7.test", tree.docroot(user), f"{user.name} {user.name}")])
    server.allow("AssignUserID not allowed here")
    assert server.get("/sub/").status == 500
    assert {process.status().uids[0] for process in server.in_role("worker")} == {user.uid}


def test_configuration_check_alone_starts_nothing(servers, kind):
    server = servers.make(Plan(kind, servers.user_sites(2)))
    done = subprocess.run(server.command("-t"), env=server.environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "Syntax OK" in done.stderr, done.stderr
    assert not server.survivors() and not server.pid_file.exists()
