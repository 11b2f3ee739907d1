"""The package itself: the same bytes at another place and time, nothing for lintian to say, and all that belongs in it."""
import os
import re
import subprocess
from pathlib import Path

import roots
import sites

BUILT = Path(os.environ.get("ITK2_BUILT", "."))
TOP = Path(__file__).parents[3]


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_two_builds_are_the_same_bytes():
    first = sorted((BUILT / "first").glob("*.deb"))
    assert len(first) == 2, "the package and its debugging symbols"
    for package in first:
        again = BUILT / "elsewhere/deeper" / package.name
        assert package.read_bytes() == again.read_bytes(), f"{package.name} differs: diffoscope {package} {again}"


def test_lintian_has_nothing_to_say():
    for changes in (BUILT / "first").glob("*.changes"):
        said = run("lintian", "--allow-root", "--profile", "debian", "--display-info", "--fail-on", "none", changes)
        assert said.strip() == ""


def test_every_directive_stands_in_the_configuration_file(package):
    conf = run("sh", "-c", f"dpkg-deb --fsys-tarfile {package} | tar -x -O ./etc/apache2/mods-available/mpm_itk2.conf")
    page = (TOP / "docs/DIRECTIVES.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\w+)\]\([^)]*\) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    assert len(rows) > 20
    for name, default, context in rows:
        if context.strip() == "not supported":
            continue
        written = f"#{name} {default.strip()}" in conf.splitlines()
        assert written or re.search(rf"^# {name} [^\n]*: {re.escape(default.strip())}", conf, re.MULTILINE), name
    assert not re.search(r"^[^#\n]", conf, re.MULTILINE), "everything is commented out"


def test_the_defaults_may_be_written(host_on, with_php):
    """mpm_itk2.conf with every directive taken out of its comment is a good configuration."""
    host = host_on(with_php)
    host.install()
    conf = host.root.path / "etc/apache2/mods-available/mpm_itk2.conf"
    text, count = re.subn(r"^#(?=\w+ )", "", conf.read_text(encoding="utf-8"), flags=re.MULTILINE)
    conf.write_text(text, encoding="utf-8")
    assert count > 15 and host.server.configtest(), host.root.run("apache2ctl", "configtest", good=False)[1]


def test_manual_pages_are_formatted_without_a_warning(package, scratch):
    place = scratch / "pages"
    run("dpkg-deb", "-x", package, place)
    pages = sorted(place.glob("usr/share/man/man*/*.gz"))
    assert {"mpm_itk2.5.gz", "itk2-listener.8.gz"} <= {page.name for page in pages}
    for page in pages:
        done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", page], capture_output=True, text=True, check=True,
                              env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"})
        assert done.stderr == "" and done.stdout.strip()


def test_systemd_takes_the_drop_in(package, scratch):
    place = scratch / "drop-in"
    run("dpkg-deb", "-x", package, place)
    text = (place / "usr/lib/systemd/system/apache2.service.d/mpm-itk2.conf").read_text(encoding="utf-8")
    settings = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    assert settings["Environment"] == f'"APACHE_ULIMIT_MAX_FILES=ulimit -n {settings["LimitNOFILE"]}"'


def test_runs_built_against_the_oldest_headers(host_on, bare, package, scratch):
    """httpd's oldest headers, its oldest server, and the newest one after an upgrade."""
    place = scratch / "oldest"
    run("dpkg-deb", "-R", package, place)
    module = place / "usr/lib/apache2/modules/mod_mpm_itk2.so"
    module.write_bytes((BUILT / "oldest/mod_mpm_itk2.so").read_bytes())
    made = scratch / "oldest.deb"
    run("dpkg-deb", "--root-owner-group", "-Znone", "-b", place, made)
    host = host_on(bare)
    versions = roots.versions("apache2")
    host.step("install", *roots.httpd_at(versions[-1]), "libapache2-mod-php")
    host.install(made)
    host.add_site("alice", sites.SHAPES["by-module"])
    assert host.restart()
    host.server.expect("itk", host.sites)
    with sites.Watcher(host.sites) as watcher:
        host.step("install", *roots.httpd_at(versions[0]))
        host.server.expect("itk", host.sites)
    watcher.expect_no_www_data()


def test_the_package_tests_itself(host_on, with_php):
    """debian/tests, as autopkgtest runs them, in a root where their dependencies are."""
    host = host_on(with_php)
    host.step("install", "curl")
    host.install()
    for script in (TOP / "debian/tests").iterdir():
        if os.access(script, os.X_OK):
            host.root.write(f"/root/{script.name}", script.read_text(encoding="utf-8"), 0o755)
            output = host.root.run(f"/root/{script.name}", AUTOPKGTEST_TMP="/tmp")[1]
            assert "ok" in output
