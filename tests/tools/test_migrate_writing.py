"""--write and --undo: all or nothing, byte for byte, and never what is not understood."""
import os
import signal
import subprocess

import pytest

from migrating import (LIBEXECDIR, PREFORK, SOURCES, STOCK, USERS, configured, modules, temporary_files,  # noqa: F401
                       virtual_host)
from itk2_migrate import writing
from itk2_testing.waiting import poll

ONE, TWO, THREE, FOUR = USERS
RUID2 = f"{PREFORK}\nLoadModule ruid2_module {LIBEXECDIR}/mod_ruid2.so"
SITE = virtual_host("a.test", f"RUidGid {ONE} {ONE}")


def test_undo_restores_byte_for_byte_with_mode_and_owner(configured):
    strange = (f"# \udcff \x01 not UTF-8\r\n<VirtualHost *:80>\r\nServerName a.test \r\n"
               f"\tRUidGid {ONE} \\\r\n   {ONE}\r\n</VirtualHost>\r\n\r\n   # no end of line")
    strange = strange.encode("utf-8", "surrogateescape")
    configuration = configured("Include sites/*.conf", {"sites/a.conf": strange}, load=RUID2)
    site = configuration.root / "sites/a.conf"
    os.chown(site, 33, 8)
    site.chmod(0o640)
    os.setxattr(site, "user.itk2", b"kept")
    before, status = configuration.bytes_of_all(), site.stat()
    run = configuration.migrate("--write")
    assert run.status == 0, run.decisions() + [run.err]
    assert site.read_bytes() == strange.replace(b"RUidGid", b"AssignUserID")
    now = site.stat()
    assert (now.st_mode, now.st_uid, now.st_gid) == (status.st_mode, status.st_uid, status.st_gid)
    assert os.getxattr(site, "user.itk2") == b"kept"
    assert temporary_files(configuration.root) == []
    undone = configuration.undo(run.report["backup"])
    assert undone.status == 0, undone.err
    assert configuration.bytes_of_all() == before
    assert (site.stat().st_mode, site.stat().st_uid) == (status.st_mode, status.st_uid)


def test_links_are_followed_and_each_file_is_changed_once(configured):
    configuration = configured("Include enabled/*.conf\nInclude available/a.conf", {"available/a.conf": SITE},
                               load=RUID2)
    (configuration.root / "enabled").mkdir()
    for name in ("1.conf", "2.conf"):
        (configuration.root / "enabled" / name).symlink_to("../available/a.conf")
    run = configuration.migrate("--write")
    assert run.status == 0, run.decisions() + [run.err]
    assert len(run.hosts()) == 1 and len(run.report["virtual_hosts"]) == 4
    assert (configuration.root / "available/a.conf").read_text() == SITE.replace("RUidGid", "AssignUserID")
    assert os.readlink(configuration.root / "enabled/1.conf") == "../available/a.conf"


def test_macros_are_changed_where_they_are_defined(configured):
    text = ("<Macro Site $name $user>\n# x\n<VirtualHost *:80>\nServerName $name\nRUidGid $user \\\n  $user\n"
            f"</VirtualHost>\n</Macro>\nUse Site a.test {ONE}\nUse Site b.test {TWO}")
    configuration = configured(text, load=RUID2)
    run = configuration.migrate("--write")
    assert run.status == 0, run.decisions() + [run.err]
    assert run.identities() == {"a.test": ("mod_ruid2", f"{ONE}:{ONE}", f"{ONE}:{ONE}"),
                                "b.test": ("mod_ruid2", f"{TWO}:{TWO}", f"{TWO}:{TWO}")}
    assert text.replace("RUidGid", "AssignUserID") in configuration.main.read_text()


def test_variables_stay_variables(configured):
    text = f"Define WHO {ONE}\n" + virtual_host("a.test", "RUidGid ${WHO} ${WHO}")
    configuration = configured(text, load=RUID2)
    assert configuration.migrate("--write").status == 0
    assert text.replace("RUidGid", "AssignUserID") in configuration.main.read_text()


def test_what_is_not_understood_stays_with_its_place_told(configured):
    text = "\n".join([SITE, virtual_host("b.test", "RDocumentChRoot /srv /www")])
    configuration = configured("Include sites/*.conf", {"sites/a.conf": text}, load=RUID2)
    before = configuration.bytes_of_all()
    run = configuration.migrate("--write")
    assert run.status == 1 and configuration.bytes_of_all() == before
    assert run.decisions()[0].startswith(f"{configuration.root}/sites/a.conf:7: RDocumentChRoot /srv /www: ")
    assert not configuration.backups.exists()


def test_a_file_that_only_root_may_write_is_written_and_stays_so(configured):
    configuration = configured("Include sites/*.conf", {"sites/a.conf": SITE}, load=RUID2)
    site = configuration.root / "sites/a.conf"
    site.chmod(0o444)
    assert configuration.migrate("--write").status == 0
    assert site.stat().st_mode & 0o777 == 0o444 and "AssignUserID" in site.read_text()


@pytest.mark.parametrize("place", ["server/sites", "server/sites/backups", "server"])
def test_backups_do_not_go_where_httpd_reads(configured, place):
    configuration = configured("Include sites/*.conf", {"sites/a.conf": SITE}, load=RUID2)
    before = configuration.bytes_of_all()
    configuration.backups = configuration.top / place
    run = configuration.migrate("--write")
    assert run.status == 3 and "which httpd reads; choose a place outside" in run.err
    assert configuration.bytes_of_all() == before


def test_undo_leaves_alone_what_has_changed_since(configured):
    configuration = configured("Include sites/*.conf", {"sites/a.conf": SITE, "sites/b.conf": "# b\n"}, load=RUID2)
    backup = configuration.migrate("--write").report["backup"]
    site = configuration.root / "sites/a.conf"
    site.write_text(site.read_text() + "# by hand\n")
    before = configuration.bytes_of_all()
    run = configuration.undo(backup)
    assert run.status == 3 and f"changed since, and so left alone: {site}" in run.err
    assert configuration.bytes_of_all() == before


def test_undo_refuses_a_damaged_backup(configured):
    configuration = configured("Include sites/*.conf", {"sites/a.conf": SITE}, load=RUID2)
    backup = configuration.migrate("--write").report["backup"]
    copy = next(path for path in configuration.backups.rglob("*-a.conf"))
    copy.write_bytes(b"other")
    run = configuration.undo(backup)
    assert run.status == 3 and "is damaged" in run.err


def test_a_second_run_at_the_same_time_is_refused(configured):
    configuration = configured(SITE, load=RUID2)
    with writing.Lock(str(configuration.backups)):
        run = configuration.migrate("--write")
    assert run.status == 3 and "another itk2-migrate is writing" in run.err


def test_a_full_disk_leaves_everything_as_it_was(configured):
    """The tree lies on a file system with next to no room."""
    configuration = configured("Include sites/*.conf", load=RUID2)
    sites = configuration.root / "sites"
    sites.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "itk2-test", str(sites)], check=True, timeout=30)
    try:
        for number in range(6):
            (sites / f"{number}.conf").write_text(virtual_host(f"{number}.test", f"RUidGid {ONE} {ONE}", "#" * 6000))
        before = configuration.bytes_of_all()
        run = configuration.migrate("--write")
        assert run.status == 3 and "No space left on device; everything is as it was" in run.err, run.err
        assert configuration.bytes_of_all() == before
    finally:
        subprocess.run(["umount", str(sites)], check=True, timeout=30)


# -- the same in this process, where anything can go wrong at any time -------------------------------------------

@pytest.fixture
def three(tmp_path):
    """Three files on their way."""
    made = []
    for number in range(3):
        path = tmp_path / f"{number}.conf"
        path.write_bytes(b"old %d" % number)
        made.append(writing.Replacement(str(path), b"old %d" % number, b"new %d" % number))
    return tmp_path, made


def contents(folder):
    return [path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()]


OLD = [b"old 0", b"old 1", b"old 2"]


def test_what_httpd_refuses_is_taken_back(three):
    folder, made = three
    seen = []

    def refuse():
        seen.extend(contents(folder))
        return False, "Syntax error"
    with pytest.raises(writing.CannotWrite, match="everything is as it was: Syntax error"):
        writing.carry_out(made, [], refuse)
    assert b"new 0" in seen and contents(folder) == OLD


def test_a_file_that_has_changed_meanwhile_stays_and_so_do_the_others(three):
    folder, made = three
    (folder / "2.conf").write_bytes(b"by somebody")
    with pytest.raises(writing.CannotWrite, match="2.conf has changed meanwhile"):
        writing.carry_out(made, [], lambda: (True, ""))
    assert contents(folder) == OLD[:2] + [b"by somebody"]


@pytest.mark.parametrize("call", ["fsync", "rename", "chown", "chmod", "link"])
@pytest.mark.parametrize("after", [0, 1, 4])
def test_a_failing_call_is_taken_back_whenever_it_comes(three, monkeypatch, call, after):
    folder, made = three
    real, count = getattr(os, call), iter(range(1000))

    def failing(*arguments, **named):
        if next(count) == after:
            raise OSError(28, "No space left on device", str(arguments[0]))
        return real(*arguments, **named)
    monkeypatch.setattr(os, call, failing)
    try:
        writing.carry_out(made, [], lambda: (True, ""))
    except writing.CannotWrite as error:
        assert "No space left" in str(error)
        assert contents(folder) == OLD
    else:
        assert contents(folder) == [b"new 0", b"new 1", b"new 2"]


def test_a_signal_takes_everything_back(three):
    folder, made = three

    def interrupted():
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        writing.carry_out(made, [], interrupted)
    assert contents(folder) == OLD


def test_a_link_that_is_not_as_planned_stays(three):
    folder, made = three
    (folder / "link").symlink_to("elsewhere")
    links = [writing.LinkChange(str(folder / name), before, after)
             for name, before, after in (("gone", None, "1.conf"), ("link", "x", None))]
    with pytest.raises(writing.CannotWrite, match="link has changed meanwhile"):
        writing.carry_out(made, links, lambda: (True, ""))
    assert os.readlink(folder / "link") == "elsewhere" and not os.path.lexists(folder / "gone")
    assert [path.read_bytes() for path in made and sorted(folder.glob("*.conf"))] == OLD


# -- Debian's way of enabling modules ---------------------------------------------------------------------------

def debian(configured, with_package=True):
    files = {"mods-available/mpm_prefork.load": PREFORK + "\n", "mods-available/mpm_prefork.conf": "StartServers 2\n",
             "mods-available/mpm_itk.load": STOCK.splitlines()[1] + "\n", "mods-available/mpm_itk2.conf": "# itk2\n"}
    configuration = configured("Include sites-enabled/*.conf", files, load="IncludeOptional mods-enabled/*.load\n"
                               "IncludeOptional mods-enabled/*.conf")
    if with_package:
        load = "\n".join(f"LoadModule {name}_module {configuration.modules}/mod_mpm_itk2.so"
                         for name in ("mpm_itk2", "mpm_prefork", "mpm_itk"))
        configuration.put("mods-available/mpm_itk2.load", load + "\n")
    configuration.put("sites-available/a.conf", virtual_host("a.test", f"AssignUserID {ONE} {ONE}"))
    for folder, names in (("mods", ("mpm_itk.load", "mpm_prefork.load", "mpm_prefork.conf")), ("sites", ("a.conf",))):
        (configuration.root / f"{folder}-enabled").mkdir()
        for name in names:
            (configuration.root / f"{folder}-enabled" / name).symlink_to(f"../{folder}-available/{name}")
    return configuration


def test_on_debian_modules_are_switched_by_links(configured):
    configuration = debian(configured)
    before = configuration.bytes_of_all()
    run = configuration.migrate("--write")
    assert run.status == 0, run.decisions() + [run.err]
    assert run.identities() == {"a.test": ("mpm-itk", f"{ONE}:{ONE}", f"{ONE}:{ONE}")}
    assert sorted(os.listdir(configuration.root / "mods-enabled")) == [
        "mpm_itk2.conf", "mpm_itk2.load", "mpm_prefork.conf", "mpm_prefork.load"]
    assert configuration.httpd_accepts()[0]
    assert configuration.undo(run.report["backup"]).status == 0
    assert configuration.bytes_of_all() == before


def test_on_debian_without_the_package_nothing_is_written(configured):
    configuration = debian(configured, with_package=False)
    before = configuration.bytes_of_all()
    run = configuration.migrate("--write")
    assert run.status == 1 and "mpm_itk2.load is missing: install the package" in run.decisions()[0]
    assert run.identities()["a.test"][2] == f"{ONE}:{ONE}"
    assert configuration.bytes_of_all() == before


def test_a_thousand_virtual_hosts_are_written(configured):
    files = {f"sites/{number:04}.conf": virtual_host(f"v{number}.test", "RUidGid {0} {0}".format(USERS[number % 4]))
             for number in range(1000)}
    configuration = configured("Include sites/*.conf", files, load=RUID2)
    run = configuration.migrate("--write")
    assert run.status == 0, run.decisions()[:3] + [run.err]
    assert len(run.hosts()) == 1000
    assert all("AssignUserID" in (configuration.root / name).read_text() for name in files)


def test_python_3_6_can_read_it():
    """RHEL 8's own python3. Its grammar by the parser; its library by what the sources must not use."""
    import ast
    for path in SOURCES.glob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 6))
        for newer in ("capture_output", "dataclass", "removeprefix", "removesuffix", "text=True", "from __future__"):
            assert newer not in path.read_text(), f"{path}: {newer}"


def test_undo_clears_up_after_a_run_that_was_killed(configured, three):
    folder, made = three
    configuration = configured("")
    backups = folder.parent / "killed"
    backups.mkdir()
    backup = writing.Backup(str(backups), made, [], "x")
    child = os.fork()
    if child == 0:
        writing.carry_out(made, [], lambda: os.kill(os.getpid(), 9))
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 9
    assert b"new 0" in contents(folder) and len(contents(folder)) > 3
    assert configuration.undo(backup.folder).status == 0
    assert contents(folder) == OLD


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_while_httpd_checks_leaves_everything_as_it_was(configured, number):
    """httpd is one that takes its time once it is asked about the files as they lie there."""
    configuration = configured("Include sites/*.conf", {"sites/a.conf": SITE}, load=RUID2)
    slow = configuration.put("slow-httpd", "#!/bin/sh\ncase \"$*\" in *itk2_migrate*|*-V*) ;; *) echo asked >"
                             f"{configuration.top}/asked; sleep 20;; esac\nexec /usr/sbin/apache2 \"$@\"\n")
    slow.chmod(0o755)
    before = configuration.bytes_of_all()
    run = configuration.start("--write", "--httpd", slow)
    poll(lambda: (configuration.top / "asked").exists(), "httpd is not asked")
    run.send_signal(number)
    out, err = run.communicate(timeout=30)
    assert run.returncode == 3 and b"nothing is changed" in err
    assert configuration.bytes_of_all() == before
    assert [path.name for path in configuration.backups.iterdir()] == [".lock"]
