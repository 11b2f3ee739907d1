"""From prefork, or prefork and mpm-itk, to mpm_itk2 and back, by one command each, while a watcher asks the sites."""
import sites
from conftest import PACKAGE, REQUIRED, changed_package


def test_prefork_with_php_is_replaced_and_comes_back(host_on, with_php):
    host = host_on(with_php)
    site = host.add_site("alice", sites.AS_WWW_DATA)
    host.server.start()
    assert site.php_uid() == sites.WWW_DATA
    host.install()
    host.server.expect("itk", [])
    site.configure(sites.SHAPES["by-module"])
    host.root.run("apache2ctl", "graceful")
    host.server.expect("itk", [site])
    site.configure(sites.AS_WWW_DATA)
    host.step("remove", PACKAGE)
    host.server.expect("prefork", [])
    assert site.php_uid() == sites.WWW_DATA
    host.step("purge", PACKAGE)
    host.server.expect("prefork", [])
    left = host.root.run("sh", "-c", "find /etc/apache2 /var/lib -name '*itk2*' ! -path '*/dpkg/*'")[1]
    assert left == ""


def test_sites_named_for_mpm_itk_under_prefork_get_their_users(host_on, with_php):
    host = host_on(with_php)
    site = host.add_site("alice", sites.SHAPES["by-module"])
    host.server.start()
    host.install()
    host.server.expect("itk", [site])


def test_mpm_itk_is_replaced_and_comes_back(host_on, with_mpm_itk):
    host = host_on(with_mpm_itk)
    for name, shape in sites.SHAPES.items():
        host.add_site(name, shape)
    host.server.start()
    host.server.expect("prefork", host.sites)
    with sites.Watcher(host.sites) as watcher:
        host.install()
        host.server.expect("itk", host.sites)
        host.step("remove", PACKAGE)
        host.server.expect("prefork", host.sites)
        assert "mpm_itk" in host.enabled()
        host.install()
        host.server.expect("itk", host.sites)
        host.step("purge", PACKAGE)
        host.server.expect("prefork", host.sites)
    watcher.expect_no_www_data()


def test_an_upgrade_and_a_reinstallation_start_the_server_afresh(host_on, with_mpm_itk, newer):
    host = host_on(with_mpm_itk)
    host.add_site("alice", sites.SHAPES["by-module"])
    host.install()
    host.server.await_answer()
    with sites.Watcher(host.sites) as watcher:
        first = host.server.pid()
        host.install(newer)
        host.server.expect("itk", host.sites)
        second = host.server.pid()
        host.step("install", "--reinstall", f"/root/{newer.name}")
        host.server.expect("itk", host.sites)
    assert len({first, second, host.server.pid(), None}) == 4
    watcher.expect_no_www_data()


def test_without_mpm_itk_nothing_serves_after_removal(host_on, with_mpm_itk):
    host = host_on(with_mpm_itk)
    host.add_site("alice", sites.SHAPES["by-module"])
    host.server.start()
    with sites.Watcher(host.sites) as watcher:
        host.install()
        host.step("purge", "libapache2-mpm-itk")
        host.server.expect("itk", host.sites)
        output = host.step("remove", PACKAGE)
        assert "would run as www-data" in output
        assert host.sites[0].php_uid() in (host.sites[0].uid, None), "what ran goes on running"
        assert not host.restart()
        host.step("purge", PACKAGE)
        assert host.root.exists(REQUIRED) and not host.restart()
        host.step("install", "libapache2-mpm-itk")
        assert host.restart()
        host.server.expect("prefork", host.sites)
    watcher.expect_no_www_data()
    assert watcher.seen["nobody"] > 0


def test_a_site_that_mpm_itk_would_not_know_of_is_not_given_back(host_on, with_mpm_itk):
    host = host_on(with_mpm_itk)
    host.add_site("known", sites.SHAPES["by-module"])
    host.install()
    host.add_site("unknown", sites.within("mpm_itk2_module"))
    host.root.run("apache2ctl", "graceful")
    host.server.expect("itk", host.sites)
    with sites.Watcher(host.sites) as watcher:
        host.step("remove", PACKAGE)
        assert not host.restart()
    watcher.expect_no_www_data()


def test_mpm_itk_that_comes_later_stays_out(host_on, with_php):
    host = host_on(with_php)
    host.add_site("alice", sites.SHAPES["by-module"])
    host.install()
    host.server.await_answer()
    with sites.Watcher(host.sites) as watcher:
        host.step("install", "libapache2-mpm-itk")
        host.server.expect("itk", host.sites)
        assert "mpm_itk" not in host.enabled()
        assert host.restart()
        host.server.expect("itk", host.sites)
        host.step("remove", PACKAGE)
        host.server.expect("prefork", host.sites)
        assert "mpm_itk" in host.enabled()
    watcher.expect_no_www_data()


def test_a_package_that_conflicted_with_mpm_itk_would_serve_as_www_data(host_on, with_mpm_itk, package, scratch):
    """Why there is no Conflicts: mpm-itk's prerm restarts the server before any script of ours has run."""
    conflicting = changed_package(package, scratch, "conflicting", lambda text: text.replace(
        "Suggests:", "Conflicts: libapache2-mpm-itk\nSuggests:"))
    host = host_on(with_mpm_itk)
    host.add_site("alice", sites.SHAPES["by-module"])
    host.server.start()
    with sites.Watcher(host.sites) as watcher:
        host.install(conflicting)
    assert watcher.wrong, "then Conflicts could be had"


def test_event_is_replaced_and_comes_back(host_on, with_httpd):
    host = host_on(with_httpd)
    host.add_site("alice", sites.AS_WWW_DATA)
    host.server.start()
    assert host.enabled() == {"mpm_event"}
    host.install()
    host.server.expect("itk", [])
    host.step("remove", PACKAGE)
    host.server.expect("event", [])
    assert host.enabled() == {"mpm_event"}
