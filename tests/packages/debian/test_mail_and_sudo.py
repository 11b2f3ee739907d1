"""Set-uid programs that a site's PHP starts, from Debian's packages: exim4 behind mail(), which has to become root and then
the reader of the mail; sudo; and postfix's sendmail, which only needs another group.

No mail leaves the root: exim4 delivers it, postfix's sendmail leaves it to a server that does not run.
"""
import re
import time

import pytest
import roots
import sites
from conftest import installed

OFF, ON = sites.UNGUARDED, sites.UNGUARDED + "SetUidPrograms On\n"
READER, READERS_UID = "reader", 3000
TEXT = "a text to be read"
SCRIPTS = {"mail": f"<?php var_dump(mail('{READER}', 'a subject', '{TEXT}'));",
           "sudo": f"<?php exec('sudo -n -u {READER} id -u 2>&1', $said, $status); echo $status, ' ', implode(' ', $said);"}

REFUSED = re.compile(r"create file maildrop/\S+: Permission denied")


@pytest.fixture(scope="session")
def with_exim_and_sudo(scratch, with_php):
    return installed(scratch, with_php, "exim", roots.MAILERS["exim"], "sudo")


@pytest.fixture(scope="session")
def with_postfix(scratch, with_php):
    return installed(scratch, with_php, "postfix", roots.MAILERS["postfix"])


class Mailing:
    """A host whose sites send mail to an account of it, and may run id as that account where there is sudo."""

    def __init__(self, host):
        self.host, self.root = host, host.root
        self.log = self.root.path / "var/log/apache2/error.log"
        self.root.run("useradd", "--uid", str(READERS_UID), "--user-group", "--create-home", READER)

    def add_site(self, name, shape):
        site = self.host.add_site(name, shape)
        for script, text in SCRIPTS.items():
            self.root.write(f"/srv/{name}/{script}.php", text)
        self.root.write(f"/etc/sudoers.d/{name}", f"{name} ALL=({READER}) NOPASSWD: /usr/bin/id\n", 0o440)
        return site

    def start(self, mpm):
        self.host.server.stop()
        self.log.write_text("", encoding="utf-8")
        assert self.host.restart() and self.host.server.mpm() == mpm

    def is_told(self):
        """Whether the server has said, as it started, that mail() will fail."""
        return any("ITK2825: /usr/sbin/sendmail is" in line for line in self.log.read_text(encoding="utf-8").splitlines())

    def await_true(self, condition, shown):
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, self.root.run("sh", "-c", shown)[1]
            time.sleep(0.05)

    def has_sudo(self, site):
        status, _, said = sites.ask(site.host, "/sudo.php", timeout=60)[1].partition(" ")
        assert status == "0" and said == str(READERS_UID) or status != "0" and "not permitted" in said, (status, said)
        return status == "0"

    def is_sent(self, site):
        """What mail() returns."""
        said = sites.ask(site.host, "/mail.php", timeout=60)[1]
        assert said in ("bool(true)", "bool(false)"), said
        return said == "bool(true)"

    def delivered_from(self, site):
        """Who has sent what exim4 then has put into the reader's own file, or None where mail() fails."""
        box = self.root.path / "var/mail" / READER
        box.unlink(missing_ok=True)
        if not self.is_sent(site):
            assert self.root.run("exim4", "-bpc")[1].strip() == "0" and not box.exists()
            return None
        self.await_true(lambda: box.exists() and TEXT in box.read_text(encoding="utf-8"),
                        "exim4 -bp; cat /var/log/exim4/*")
        assert box.stat().st_uid == READERS_UID
        return box.read_text(encoding="utf-8").removeprefix("From ").partition("@")[0]

    def handed_to_postfix(self, site):
        """The uid of the file that then lies where postdrop's group alone may write, or None where mail() fails."""
        drop = self.root.path / "var/spool/postfix/maildrop"
        before = set(drop.iterdir())
        is_sent, new = self.is_sent(site), set(drop.iterdir()) - before
        assert len(new) == (1 if is_sent else 0), new
        return new.pop().stat().st_uid if is_sent else None


@pytest.fixture
def exim(host_on, with_exim_and_sudo):
    return Mailing(host_on(with_exim_and_sudo))


@pytest.fixture
def postfix(host_on, with_postfix):
    return Mailing(host_on(with_postfix))


def test_exim_and_sudo_work_under_prefork(exim):
    """The control: the packages and the root. The user is the server's."""
    site = exim.add_site("alice", sites.AS_WWW_DATA)
    exim.root.write("/etc/sudoers.d/server", f"www-data ALL=({READER}) NOPASSWD: /usr/bin/id\n", 0o440)
    exim.start("prefork")
    assert exim.delivered_from(site) == "www-data" and exim.has_sudo(site)


def test_exim_and_sudo_fail_under_mpm_itk_unless_its_ranges_are_widened(exim):
    """They inherit its filter of system calls, which lets nobody become root."""
    site = exim.add_site("alice", sites.UNGUARDED)
    exim.host.step("install", "libapache2-mpm-itk")
    exim.start("prefork")
    assert site.php_uid() == site.uid
    assert exim.delivered_from(site) is None and not exim.has_sudo(site)
    exim.root.write("/etc/apache2/conf-enabled/ranges.conf", "LimitUIDRange 0 4294967295\nLimitGIDRange 0 4294967295\n")
    exim.start("prefork")
    assert exim.delivered_from(site) == "alice" and exim.has_sudo(site)


def test_exim_and_sudo_work_for_the_site_that_has_them_alone(exim):
    first, second = exim.add_site("alice", ON), exim.add_site("bob", OFF)
    exim.host.install()
    exim.start("itk")
    for _ in range(2):
        assert exim.delivered_from(first) == "alice" and exim.has_sudo(first)
        assert exim.delivered_from(second) is None and not exim.has_sudo(second)
    assert exim.is_told()
    exim.host.server.expect("itk", exim.host.sites)


def test_the_server_says_nothing_where_all_have_them(exim):
    exim.root.write("/etc/apache2/conf-enabled/on.conf", "<IfModule mpm_itk2_module>\nSetUidPrograms On\n</IfModule>\n")
    site = exim.add_site("alice", OFF)
    exim.host.install()
    exim.start("itk")
    assert exim.delivered_from(site) == "alice" and exim.has_sudo(site) and not exim.is_told()


def test_postfix_takes_mail_under_prefork(postfix):
    """The control."""
    site = postfix.add_site("alice", sites.AS_WWW_DATA)
    postfix.start("prefork")
    assert postfix.handed_to_postfix(site) == sites.WWW_DATA


def test_postfix_takes_mail_of_sites_with_and_without_set_uid_programs(postfix):
    both = [postfix.add_site("alice", ON), postfix.add_site("bob", OFF)]
    postfix.host.install()
    postfix.start("itk")
    for site in both:
        assert postfix.handed_to_postfix(site) == site.uid
    assert not postfix.is_told()


def test_postfix_takes_no_mail_where_new_privileges_are_refused(postfix):
    """It goes on trying, and mail() waits for it."""
    site = postfix.add_site("alice", sites.UNGUARDED + "NoNewPrivileges On\n")
    postfix.host.install()
    postfix.start("itk")
    assert sites.ask(site.host, "/mail.php", timeout=1) is None
    postfix.await_true(lambda: REFUSED.search(postfix.log.read_text(encoding="utf-8")), "cat /var/log/apache2/error.log")
    assert not list((postfix.root.path / "var/spool/postfix/maildrop").iterdir())
