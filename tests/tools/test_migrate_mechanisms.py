"""Each mechanism: what itk2-migrate says of it, and what it makes of it."""
import grp
import os
import pwd

import pytest

from migrating import LIBEXECDIR, PREFORK, STOCK, USERS, configured, modules, virtual_host  # noqa: F401 (fixtures)

ONE, TWO, THREE, FOUR = USERS
RUID2 = f"{PREFORK}\nLoadModule ruid2_module {LIBEXECDIR}/mod_ruid2.so"  # which this machine does not have
PROXY = "".join(f"\nLoadModule {name}_module {LIBEXECDIR}/mod_{name}.so" for name in ("proxy", "proxy_fcgi"))
ENV = f"\nLoadModule env_module {LIBEXECDIR}/mod_env.so"
PHP = f"{ENV}\nLoadModule php_module {LIBEXECDIR}/libphp8.2.so"


def written(configuration, *options):
    """The run with --write, which has to succeed and to leave a configuration that httpd accepts."""
    run = configuration.migrate("--write", *options)
    assert run.report["refused"] is None, run.decisions() + [run.err]
    accepted, words = configuration.httpd_accepts()
    assert accepted, words
    return run


# -- mpm-itk -----------------------------------------------------------------------------------------------------------

def test_itk_keeps_its_lines_and_says_what_differs(configured):
    text = "\n".join(["LimitUIDRange 0 4294967295", "EnableCapabilities Off", "MaxClientsVHost 5", virtual_host(
        "a.test", f"AssignUserID {ONE} {TWO}", "<Directory /srv>", f"AssignUserID {TWO} {TWO}", "</Directory>")])
    configuration = configured(text)
    run = written(configuration)
    assert run.status == 0
    assert run.identities() == {"a.test": ("mpm-itk", f"{ONE}:{TWO}", f"{ONE}:{TWO}")}
    notes = " ".join(note for row in run.report["virtual_hosts"] for note in row["notes"])
    for expected in ("set-uid programs", "EnableCapabilities Off", "MaxClientsVHost", "1 section has an identity"):
        assert expected in notes
    assert text.encode() in configuration.main.read_bytes()


def test_itk_expressions_are_known_by_request_only(configured):
    run = configured(virtual_host("a.test", "AssignUserIDExpr %{reqenv:WHO}")).migrate()
    assert run.identities()["a.test"][1:] == ("by request: AssignUserIDExpr %{reqenv:WHO}",) * 2


@pytest.mark.parametrize("line,said", [("NiceValue 25", "NiceValue 25: mpm-itk takes something near it"),
                                       ("AssignUserID #0 #0", "refuses what would be")], ids=["nice", "root"])
def test_what_itk2_would_refuse_is_to_be_decided_and_nothing_is_written(configured, line, said):
    configuration = configured(virtual_host("a.test", line))
    before = configuration.bytes_of_all()
    run = configuration.migrate("--write")
    assert run.status == 1 and said in " ".join(run.decisions())
    assert "nothing was written" in run.err and configuration.bytes_of_all() == before


# -- mod_ruid2 ---------------------------------------------------------------------------------------------------------

def test_ruid2_becomes_assign_user_id(configured):
    text = "\n".join(["<IfModule mod_ruid2.c>", "RMode config", f"RMinUidGid {ONE} #500", "RDefaultUidGid #33 #33",
                      "</IfModule>", "<IfModule !mod_ruid2.c>", "Nonsense", "</IfModule>",
                      virtual_host("a.test", "<IfModule ruid2_module>", f"RUidGid {ONE} {TWO}", f"RGroups {THREE}",
                                   "</IfModule>"),
                      virtual_host("b.test", f"ruidgid '{TWO}' \\\n  {TWO}", "<Directory /srv>", "RMode config",
                                   f"RUidGid {THREE} {THREE}", "</Directory>"),
                      virtual_host("c.test")])
    configuration = configured(text, load=RUID2)
    assert "mod_ruid2" in configuration.httpd_accepts()[1]
    run = written(configuration)
    assert run.status == 0, run.decisions()
    assert run.identities() == {"a.test": ("mod_ruid2", f"{ONE}:{TWO}", f"{ONE}:{TWO}"),
                                "b.test": ("mod_ruid2", f"{TWO}:{TWO}", f"{TWO}:{TWO}"),
                                "c.test": ("mod_ruid2", "#33:#33", "www-data:www-data")}
    assert any("mod_ruid2 is configured and not there" in remark for remark in run.report["remarks"])
    now = configuration.main.read_text()
    uid = pwd.getpwnam(ONE).pw_uid
    for line in ("IdentityMode config", f"LimitUIDRange {uid} 4294967294", "LimitGIDRange 500 4294967294",
                 "# itk2-migrate: RDefaultUidGid #33 #33", f"    AssignUserID {ONE} {TWO}", f"    RGroups {THREE}",
                 f"    AssignUserID '{TWO}' \\\n  {TWO}", "<IfModule mpm_itk2_module>", "<IfModule !mpm_itk2_module>"):
        assert line + "\n" in now, now
    assert configuration.migrate().report["edits"] == []


def test_ruid2_stat_becomes_the_document_roots_owner(configured):
    configuration = configured(virtual_host("a.test", "RMode stat", f"RUidGid {TWO} {TWO}", "DocumentRoot @/site"),
                               {"site/index.html": ""}, load=RUID2)
    user = pwd.getpwnam(ONE)
    os.chown(configuration.root / "site", user.pw_uid, user.pw_gid)
    configuration.main.write_text(configuration.main.read_text().replace("@", str(configuration.root)))
    run = written(configuration)
    assert run.identities() == {"a.test": ("mod_ruid2", "owner of each file", f"{ONE}:{ONE}")}
    now = configuration.main.read_text()
    assert "    IdentityMode owner\n" in now and f"    # itk2-migrate: RUidGid {TWO} {TWO}\n" in now


def test_users_that_are_not_there_are_all_told(configured):
    """httpd names the first one only."""
    text = "\n".join(virtual_host(f"{name}.test", f"RUidGid {name} {name}") for name in ("no-one", "no-two"))
    run = configured(text, load=RUID2).migrate()
    assert run.status == 1
    for name in ("no-one", "no-two"):
        assert any(f"{name}:{name} (no such user and group); create it" in one for one in run.decisions())


@pytest.mark.parametrize("lines,said", [
    (["RDocumentChRoot /srv /www"], "RDocumentChRoot /srv /www: mpm-itk2 puts no site into a chroot"),
    (["<Directory /srv>", "RMode stat", "</Directory>"], "RMode stat in a section"),
    (["<Directory /srv>", "RGroups mail", "</Directory>"], "RGroups mail in a section"),
    (["RMinUidGid no-such-user mail"], "there is no such user or group"),
    (["RUidGid #7 #7"], "runs as www-data:www-data today and would as #7:#7"),
], ids=["chroot", "mode-in-section", "groups-in-section", "unknown-name", "below-the-least-uid"])
def test_ruid2_what_has_no_counterpart_is_to_be_decided(configured, lines, said):
    configuration = configured(virtual_host("a.test", *lines), load=RUID2)
    before = configuration.bytes_of_all()
    run = configuration.migrate("--write")
    expected = said.replace("#7:#7", f"{pwd.getpwuid(7).pw_name}:{grp.getgrgid(7).gr_name}")
    found = " ".join(run.decisions())
    assert said in found or expected in found, found
    assert run.status == 1 and configuration.bytes_of_all() == before


def test_ruid2_of_the_main_server_holds_where_a_virtual_host_has_none_of_it(configured):
    """A virtual host with any directive of mod_ruid2 has a mode of its own, config; others have the main server's."""
    text = "\n".join(["RMode stat", virtual_host("own.test", f"RUidGid {ONE} {ONE}"), virtual_host("other.test")])
    run = configured(text, load=RUID2).migrate()
    assert run.identities()["own.test"] == ("mod_ruid2", f"{ONE}:{ONE}", f"{ONE}:{ONE}")
    assert run.identities()["other.test"][1] == "owner of each file"


# -- peruser -----------------------------------------------------------------------------------------------------------

def test_peruser_becomes_assign_user_id(configured):
    text = "\n".join(["<IfModule peruser.c>", "MinSpareProcessors 2", "ExpireTimeout 100",
                      "Multi" + "plexer nobody nobody", f"Processor {ONE} {ONE}",
                      f"<Processor two>\n  User {TWO}\n  Group {TWO}\n  # of two\n</Processor>",
                      "</IfModule>", virtual_host("a.test", f"ServerEnvironment {ONE} {ONE}"),
                      virtual_host("b.test", "<IfModule peruser.c>", "Processor two", "</IfModule>")])
    configuration = configured(text, load=PREFORK)
    run = written(configuration, "--from", "peruser")
    assert run.identities() == {"a.test": ("peruser", f"{ONE}:{ONE}", f"{ONE}:{ONE}"),
                                "b.test": ("peruser", f"{TWO}:{TWO}", f"{TWO}:{TWO}")}
    now = configuration.main.read_text()
    for line in (f"    AssignUserID {TWO} {TWO}", "# itk2-migrate: MinSpareProcessors 2",
                 "# itk2-migrate: </Processor>", "  # of two"):
        assert line + "\n" in now, now


@pytest.mark.parametrize("line,said", [(f"ServerEnvironment {ONE} {ONE} /srv", "chroot"),
                                       ("Processor nobody-knows", "no <Processor> section has that name")],
                         ids=["chroot", "unknown"])
def test_peruser_what_has_no_counterpart_is_to_be_decided(configured, line, said):
    run = configured(virtual_host("a.test", line), load=PREFORK).migrate()
    assert run.status == 1 and said in run.decisions()[0]


# -- suexec ------------------------------------------------------------------------------------------------------------

def suexec(modules, kind):
    return (f"{PREFORK}\nLoadModule suexec_module {LIBEXECDIR}/mod_suexec.so\n"
            f"LoadModule {kind}_module {LIBEXECDIR}/mod_{kind}.so\n"
            f"LoadModule suexec_enabled_module {modules}/test_modules.so")


def test_suexec_is_offered_and_written_only_when_asked_for(configured, modules):
    text = "\n".join([virtual_host("a.test", f"SuexecUserGroup {ONE} {ONE}"), virtual_host("b.test")])
    configuration = configured(text, load=suexec(modules, "cgi"))
    before = configuration.main.read_text()
    run = configuration.migrate()
    assert run.status == 1
    assert run.hosts()["a.test"]["programs"][0]["user"] == ONE
    assert f"--from suexec makes the whole virtual host {ONE}:{ONE}" in run.decisions()[0]
    run = written(configuration, "--from", "suexec")
    assert run.status == 0
    assert run.identities()["a.test"] == ("User", "www-data:www-data", f"{ONE}:{ONE}")
    assert run.identities()["b.test"][2] == "www-data:www-data"
    assert f"    AssignUserID {ONE} {ONE}\n" in configuration.main.read_text()
    assert run.report["backup"] and configuration.undo(run.report["backup"]).status == 0
    assert configuration.main.read_text() == before


def test_suexec_of_cgid_goes_on_and_is_not_taken_away(configured, modules):
    """Without SuexecUserGroup mod_cgid would start every site's scripts as User."""
    configuration = configured(virtual_host("a.test", f"SuexecUserGroup {ONE} {ONE}"), load=suexec(modules, "cgid"))
    assert configuration.migrate().status == 0
    run = configuration.migrate("--from", "suexec")
    assert run.status == 1 and "load mod_cgi instead of it first" in run.decisions()[0]
    assert not any("SuexecUserGroup" in text for edit in run.report["edits"] for text in edit["text"])


FCGID = ["AddHandler fcgid-script .php", "FcgidWrapper /srv/php-wrapper .php"]


@pytest.mark.parametrize("in_main", [False, True], ids=["in-the-virtual-host", "for-all"])
def test_fcgid_goes_on_and_its_users_are_not_taken_away(configured, modules, in_main):
    """Without SuexecUserGroup mod_fcgid would start every site's programs as User."""
    text = virtual_host("a.test", f"SuexecUserGroup {ONE} {ONE}", *([] if in_main else FCGID))
    load = f"{suexec(modules, 'cgi')}\nLoadModule fcgid_module {modules}/test_modules.so"
    configuration = configured("\n".join((FCGID if in_main else []) + [text]), load=load)
    run = configuration.migrate()
    assert run.status == (1 if in_main else 0), run.decisions()
    assert run.hosts()["a.test"]["programs"][0]["mechanism"] == ("suexec" if in_main else "fcgid")
    run = configuration.migrate("--write", "--from", "suexec")
    assert run.status == 1 and "mod_fcgid goes on starting programs as User" in run.decisions()[0]
    assert f"SuexecUserGroup {ONE} {ONE}" in configuration.main.read_text()


# -- php-fpm -----------------------------------------------------------------------------------------------------------

POOLS = f"""[global]
error_log = @/logs/fpm.log
[one]
user = {ONE}
group = {ONE}
listen = @/$pool.sock
pm = ondemand
pm.max_children = 2
php_admin_value[open_basedir] = "/srv:/tmp"
php_value[include_path] = .:/usr/share/php
env[HELLO] = "a "b" c"
[two]
user = {TWO}
listen = 127.0.0.1:9123
pm = ondemand
pm.max_children = 2
[three]
user = {THREE}
listen = @/three.sock
chroot = /srv
pm = ondemand
pm.max_children = 2
"""


def with_pools(configured, text, load):
    configuration = configured("", {"pools.conf": "", "one/x": "", "two/x": ""}, load=load)
    configuration.put("pools.conf", POOLS.replace("@", str(configuration.root)))
    configuration.main.write_text(configuration.main.read_text() + text.replace("@", str(configuration.root)) + "\n")
    fpm = f"/usr/sbin/php-fpm8.2={configuration.root}/pools.conf"
    return configuration, ("--php-fpm", fpm)


def handler(address):
    return ['<FilesMatch "\\.php$">', f'    SetHandler "proxy:{address}"', "</FilesMatch>"]


FPM_SITES = "\n".join([
    virtual_host("socket.test", *handler("unix:@/one.sock|fcgi://localhost")),
    virtual_host("port.test", "DocumentRoot @/two", r"ProxyPassMatch ^/(.*\.php(/.*)?)$ fcgi://127.0.0.1:9123@/two/$1"),
    virtual_host("static.test")])


def test_pools_are_reported_and_stay_when_nobody_asks(configured):
    configuration, fpm = with_pools(configured, FPM_SITES, PREFORK + PROXY)
    run = configuration.migrate(*fpm)
    assert run.status == 0, run.decisions()
    programs = {name: [(one["mechanism"], one["user"], one["group"]) for one in row["programs"]]
                for name, row in run.hosts().items()}
    assert programs == {"socket.test": [("php-fpm one", ONE, ONE)], "port.test": [("php-fpm two", TWO, TWO)],
                        "static.test": []}
    assert run.identities()["socket.test"] == ("User", "www-data:www-data", "www-data:www-data")
    assert "--from php-fpm moves it here" in run.hosts()["port.test"]["notes"][0]


def test_pools_become_virtual_hosts_when_asked_for(configured):
    configuration, fpm = with_pools(configured, FPM_SITES, PREFORK + PROXY + PHP)
    run = written(configuration, "--from", "php-fpm", *fpm)
    assert run.status == 0, run.decisions()
    assert run.identities() == {"socket.test": ("User", "www-data:www-data", f"{ONE}:{ONE}"),
                                "port.test": ("User", "www-data:www-data", f"{TWO}:{TWO}"),
                                "static.test": ("User", "www-data:www-data", "www-data:www-data")}
    now = configuration.main.read_text()
    for line in (f"<VirtualHost *:80>\n    AssignUserID {ONE} {ONE}", '    php_admin_value open_basedir "/srv:/tmp"',
                 '    php_value include_path ".:/usr/share/php"',
                 "    SetHandler application/x-httpd-php\n    </FilesMatch>",
                 "        SetHandler application/x-httpd-php\n"):
        assert line in now, now
    assert "proxy:unix" not in now and "fcgi:" not in now


@pytest.mark.parametrize("lines,load,said", [
    (handler("unix:@/one.sock|fcgi://localhost"), PREFORK + PROXY, "mod_php is not loaded"),
    (handler("unix:@/none.sock|fcgi://localhost"), PREFORK + PROXY + PHP, "no php-fpm pool with a user listens at"),
    (handler("unix:@/three.sock|fcgi://localhost"), PREFORK + PROXY + PHP, "has a chroot"),
    (handler("unix:@/one.sock|fcgi://localhost"), PREFORK + PROXY + PHP.replace(ENV, ""), "mod_env is not loaded"),
    (handler("unix:@/one.sock|fcgi://localhost") + handler("fcgi://127.0.0.1:9123"), PREFORK + PROXY + PHP,
     "several pools"),
    (["ProxyPass /app unix:@/one.sock|fcgi://localhost/srv"], PREFORK + PROXY + PHP, "only SetHandler"),
    ([f"AssignUserID {FOUR} {FOUR}"] + handler("unix:@/one.sock|fcgi://localhost"), STOCK + PROXY + PHP, "choose one"),
], ids=["no-mod-php", "unknown-pool", "chroot", "no-mod-env", "two-pools", "proxypass", "another-identity"])
def test_pools_that_cannot_be_taken_over_stay_as_they_are(configured, lines, load, said):
    configuration, fpm = with_pools(configured, virtual_host("a.test", *lines), load)
    site = configuration.main.read_bytes().split(b"<VirtualHost")[1]
    run = written(configuration, "--from", "php-fpm", *fpm)
    assert run.status == 1 and said in run.decisions()[0], run.decisions()
    assert configuration.main.read_bytes().split(b"<VirtualHost")[1] == site


def test_a_handler_for_all_virtual_hosts_is_left_to_the_administrator(configured):
    text = "\n".join(handler("unix:@/one.sock|fcgi://localhost") + [virtual_host("a.test")])
    configuration, fpm = with_pools(configured, text, PREFORK + PROXY + PHP)
    run = configuration.migrate("--from", "php-fpm", *fpm)
    assert run.status == 1 and "it is for all virtual hosts" in run.decisions()[0]


# -- a module of the mechanism that is gone, and other ways of loading ----------------------------------------------

def test_itk_whose_module_is_gone_is_read_all_the_same(configured):
    load = f"{PREFORK}\nLoadModule mpm_itk_module {LIBEXECDIR}/gone/mpm_itk.so"
    text = virtual_host("a.test", "<IfModule mpm_itk_module>", f"AssignUserID {ONE} {ONE}", "</IfModule>")
    configuration = configured(text, load=load)
    run = written(configuration)
    assert run.identities() == {"a.test": ("mpm-itk", f"{ONE}:{ONE}", f"{ONE}:{ONE}")}
    assert any("mpm-itk is configured and not there" in remark for remark in run.report["remarks"])


RHEL_PHP = "\n".join(["<IfModule prefork.c>", f"LoadModule php_module {LIBEXECDIR}/libphp8.2.so", "</IfModule>",
                      "<IfModule !mod_php.c>", *handler("unix:@/one.sock|fcgi://localhost"), "</IfModule>"])


def test_rhels_php_moves_to_mod_php_by_itself_and_that_is_said(configured):
    """Its php.conf loads mod_php where prefork.c is there, and uses php-fpm where mod_php is not."""
    load = f"LoadModule mpm_event_module modules/mod_mpm_event.so{PROXY}"
    configuration, fpm = with_pools(configured, RHEL_PHP + "\n" + virtual_host("a.test"), load)
    (configuration.root / "modules").symlink_to(LIBEXECDIR)
    run = written(configuration, *fpm)
    main = [row for row in run.report["virtual_hosts"] if row["main"]][0]
    assert main["programs"][0]["mechanism"] == "php-fpm one"
    assert any("PHP goes to" in note and "not with mpm-itk2" in note for note in main["notes"])
    assert "mpm_event" not in configuration.main.read_text()


def test_directives_of_event_outside_a_guard_are_told_with_their_place(configured):
    load = f"LoadModule mpm_event_module {LIBEXECDIR}/mod_mpm_event.so\nThreadsPerChild 25"
    configuration = configured(virtual_host("a.test"), load=load)
    run = configuration.migrate("--write")
    assert run.status == 1
    assert run.decisions()[0].startswith(f"{configuration.main}:3: httpd with mpm-itk2 refuses what would be: Invalid")
