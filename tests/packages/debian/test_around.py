"""What goes on around mpm_itk2 while it is in force: PHP, httpd itself, the administrator's a2enmod and a2dismod."""
import itertools

import roots
import sites
from conftest import PACKAGE, REQUIRED, allow_services


def test_fresh_before_php(host_on, with_httpd):
    host = host_on(with_httpd)
    host.server.start()
    host.install()
    host.add_site("alice", sites.SHAPES["by-module"])
    host.root.run("apache2ctl", "graceful")
    host.server.expect("itk", host.sites, php=False)
    mod_php = f"libapache2-mod-{roots.php()}"
    oldest = roots.versions(mod_php)[-1]
    with sites.Watcher(host.sites) as watcher:
        host.step("install", *roots.php_at(oldest))
        host.server.expect("itk", host.sites)
        host.step("install", *roots.php_at(roots.versions(mod_php)[0]))
        host.server.expect("itk", host.sites)
        host.step("install", "--reinstall", mod_php)
        host.server.expect("itk", host.sites)
        host.step("remove", mod_php)
        host.server.expect("itk", host.sites, php=False)
        host.step("install", mod_php)
        host.server.expect("itk", host.sites)
        host.step("purge", mod_php)
        host.server.expect("itk", host.sites, php=False)
    watcher.expect_no_www_data()


def test_everything_in_one_command(host_on, bare):
    host = host_on(bare)
    host.step("install", "apache2", "libapache2-mod-php", "libapache2-mpm-itk", f"/root/{host.package.name}")
    assert host.enabled() >= {"mpm_itk2", "mpm_prefork"} and not host.enabled() & {"mpm_itk", "mpm_event"}
    host.add_site("alice", sites.SHAPES["by-module"])
    assert host.restart()
    host.server.expect("itk", host.sites)


def test_httpd_is_upgraded_under_it(host_on, bare):
    """The package is built against one httpd's headers; it runs with the oldest and the newest there is."""
    host = host_on(bare)
    versions = roots.versions("apache2")
    host.step("install", *roots.httpd_at(versions[-1]), "libapache2-mod-php")
    host.install()
    host.add_site("alice", sites.SHAPES["by-module"])
    assert host.restart()
    host.server.expect("itk", host.sites)
    with sites.Watcher(host.sites) as watcher:
        host.step("install", *roots.httpd_at(versions[0]))
        host.server.expect("itk", host.sites)
    watcher.expect_no_www_data()


def test_a2enmod_and_a2dismod_in_every_order(host_on, with_mpm_itk):
    """Whatever of it a tool refuses: the server then serves as the site's user, or does not start."""
    host = host_on(with_mpm_itk)
    site = host.add_site("alice", sites.SHAPES["by-module"])
    host.install()
    host.server.stop()
    off = [("a2dismod", name) for name in (roots.php(), "mpm_itk2", "mpm_prefork")]
    on = [("a2enmod", name) for name in ("mpm_event", roots.php(), "mpm_itk2", "mpm_prefork")]
    start, judged = host.enabled(), {}
    with sites.Watcher(host.sites) as watcher:
        for order in itertools.permutations([*off, on[0]]):
            for tool, name in [*order, *((("a2dismod", "mpm_event"),) + tuple(on[1:]))]:
                host.root.run(tool, "-q", name, good=False)
                state = frozenset(host.enabled())
                if state not in judged:
                    judged[state] = host.restart()
                    assert not judged[state] or site.statuses() == (200, 403), state
            assert host.enabled() == start, order
    assert judged[frozenset(start)] and not all(judged.values()) and len(judged) >= 6
    print(f"    {len(judged)} states: {sum(judged.values())} serve, the others do not start", flush=True)
    watcher.expect_no_www_data()


def test_what_the_administrator_has_disabled_stays_disabled(host_on, with_mpm_itk, newer):
    host = host_on(with_mpm_itk)
    host.add_site("alice", sites.SHAPES["by-module"])
    host.install()
    host.root.run("a2dismod", "-q", "mpm_itk2")
    host.root.run("a2enmod", "-q", "mpm_itk")
    assert host.restart()
    with sites.Watcher(host.sites) as watcher:
        host.install(newer)
        host.server.expect("prefork", host.sites)
        host.step("purge", PACKAGE)
        host.server.expect("prefork", host.sites)
    watcher.expect_no_www_data()
    assert not host.root.exists(REQUIRED)


def test_a_configuration_it_refuses_leaves_everything_as_it_was(host_on, with_mpm_itk):
    host = host_on(with_mpm_itk)
    host.add_site("alice", sites.SHAPES["by-module"])
    host.root.write("/etc/apache2/conf-enabled/bad.conf", "<IfModule mpm_itk2_module>\nChrootDir /srv\n</IfModule>\n")
    host.server.start()
    before = host.enabled()
    with sites.Watcher(host.sites) as watcher:
        host.install(good=False)
        assert host.enabled() == before and not host.root.exists(REQUIRED)
        host.server.expect("prefork", host.sites)
        (host.root.path / "etc/apache2/conf-enabled/bad.conf").unlink()
        host.root.run("dpkg", "--configure", "-a")
        host.server.expect("itk", host.sites)
    watcher.expect_no_www_data()


def test_a_server_that_does_not_come_up_is_put_back(host_on, with_mpm_itk):
    host = host_on(with_mpm_itk)
    host.add_site("alice", sites.SHAPES["by-module"])
    host.root.write("/etc/apache2/conf-enabled/bad.conf", "<IfModule mpm_itk2_module>\nListen 192.0.2.1:81\n</IfModule>\n")
    host.server.start()
    with sites.Watcher(host.sites) as watcher:
        assert "does not start with mpm_itk2" in host.install(good=False)
        host.server.expect("prefork", host.sites)
    watcher.expect_no_www_data()


def test_where_services_may_not_be_restarted(host_on, with_mpm_itk):
    """As in the making of an image, or with a policy of the administrator's."""
    host = host_on(with_mpm_itk)
    host.add_site("alice", sites.SHAPES["by-module"])
    host.server.start()
    allow_services(host.root, False)
    with sites.Watcher(host.sites) as watcher:
        assert "not allowed to restart" in host.install()
        assert host.sites[0].php_uid() == host.sites[0].uid
        assert host.restart()
        host.server.expect("itk", host.sites)
        host.step("remove", PACKAGE)
        assert host.sites[0].php_uid() == host.sites[0].uid
        assert host.restart()
        host.server.expect("prefork", host.sites)
    watcher.expect_no_www_data()


def test_accounts_are_made(host_on, with_httpd):
    host = host_on(with_httpd)
    host.install()
    for name in ("itk2-listener", "itk2-spare", "itk2-parser"):
        entry = host.root.run("getent", "passwd", name)[1].strip().split(":")
        group = host.root.run("getent", "group", name)[1].strip().split(":")
        assert 0 < int(entry[2]) < 1000 and entry[3] == group[2]
        assert entry[5:] == ["/nonexistent", "/usr/sbin/nologin"]
