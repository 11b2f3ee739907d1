"""The quilt series: applied to httpd's own source, built shared and linked in, and served with.

httpd's source comes from ITK2_HTTPD_SOURCE (an unpacked source or a git directory), else from Debian by apt.
"""
import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from patches_httpd import Sites, Tree, Unavailable, say
from rpm_and_containers_root import TOP, lacking

LACKING = lacking("quilt", "autoconf", "make", "g++", "pcre2-config", "apr-1-config", "apu-1-config")
pytestmark = pytest.mark.skipif(bool(LACKING), reason=LACKING)

DEP3 = ("Description", "Forwarded", "Last-Update")


@pytest.fixture(scope="module")
def tree():
    if os.geteuid() != 0:
        pytest.skip("needs root: sites of two users")
    # Not below pytest's folders, which only root may enter.
    place = Path(tempfile.mkdtemp(prefix="itk2-patches-"))
    place.chmod(0o755)
    try:
        yield Tree(place)
    except Unavailable as why:
        pytest.skip(str(why))
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def shared(tree):
    """The httpd of the first build, installed elsewhere than it believes to be."""
    tree.configure("--enable-mpms-shared=itk2", "--with-mpm=itk2")
    tree.make()
    say("make", "install", f"DESTDIR={tree.place}/shared", cwd=tree.build)
    return Path(f"{tree.place}/shared{tree.place}/static")


@pytest.fixture(scope="module")
def static(tree, shared):
    """The httpd of the second build: what is httpd's own is there already."""
    tree.make("-C", "server/mpm/itk2", "clean")
    tree.configure("--with-mpm=itk2")
    tree.make()
    say("make", "install", cwd=tree.build)
    return tree.place / "static"


@pytest.fixture
def sites(tree):
    made = []

    def make(httpd, load=()):
        made.append(Sites(tree.place / f"sites{len(os.listdir(tree.place))}", httpd, load))
        return made[-1]
    yield make
    for each in made:
        each.stop()


def headers(patch):
    return {line.split(":")[0] for line in patch.read_text().split("\n--- ")[0].splitlines() if ":" in line}


def test_series_names_what_lies_there_each_with_its_headers(tmp_path):
    folder = TOP / "patches"
    named = folder.joinpath("series").read_text().split()
    assert sorted(named) == sorted(file.name for file in folder.glob("*.patch"))
    assert all(headers(folder / name).issuperset(DEP3) for name in named)
    say(str(folder / "make-series"), str(tmp_path))
    assert tmp_path.joinpath("series").read_text().split() == ["itk2-sources.patch", *named]
    assert headers(tmp_path / "itk2-sources.patch").issuperset({"Description", "Origin", "Forwarded"})


def test_series_applies_holds_the_sources_and_goes_away_again(tree):
    assert "Now at patch" in tree.pushed
    for file in (TOP / "server/mpm/itk2").rglob("*"):
        if file.is_file():
            assert (tree.source / file.relative_to(TOP)).read_bytes() == file.read_bytes(), file
    say("quilt", "pop", "-a", cwd=tree.source, env=tree.quilt())
    assert not (tree.source / "server/mpm/itk2/mpm_itk2.cc").exists()
    say("quilt", "push", "-a", cwd=tree.source, env=tree.quilt())


def test_help_of_configure_names_it(tree):
    assert "itk2" in say("./configure", "--help", cwd=tree.source).partition("--with-mpm")[2].partition("--enable-")[0]


def test_shared_it_is_the_mpm_that_the_installed_configuration_loads(shared, sites):
    load = "LoadModule mpm_itk2_module modules/mod_mpm_itk2.so"
    assert f"\n{load}\n" in (shared / "conf/httpd.conf").read_text()
    said = sites(f"{shared}/bin/httpd", [load.replace("modules/", f"{shared}/modules/")]).ask("-V")
    assert "Server MPM:     itk\n" in said and "threaded:     no" in said
    assert "mpm_itk2" not in say(f"{shared}/bin/httpd", "-l")
    assert os.access(shared / "modules/itk2-listener", os.X_OK)


def test_shared_it_exports_its_records_only_and_needs_no_cxx_library(shared):
    module = f"{shared}/modules/mod_mpm_itk2.so"
    exported = {line.split()[-1] for line in say("nm", "-D", "--defined-only", module).splitlines()}
    assert exported == set(re.findall(r"^ +(\w+_module);", (TOP / "server/mpm/itk2/exports.map").read_text(), re.M))
    assert "libstdc++" not in say("ldd", module)


def test_shared_it_serves_each_site_as_its_user(shared, sites):
    site = sites(f"{shared}/bin/httpd", [f"LoadModule mpm_itk2_module {shared}/modules/mod_mpm_itk2.so"])
    site.start()
    site.serves_each_as_its_user()
    site.graceful()
    site.serves_each_as_its_user()


def test_linked_in_it_is_the_mpm_of_every_configuration(static):
    said = say(f"{static}/bin/httpd", "-V")
    assert "Server MPM:     itk\n" in said and "threaded:     no" in said
    assert "\n  mpm_itk2.c\n" in say(f"{static}/bin/httpd", "-l")
    assert not (static / "modules/mod_mpm_itk2.so").exists()
    loaded = say(f"{static}/bin/httpd", "-M")
    assert all(f" {name}_module (static)" in loaded for name in ("mpm_itk2", "mpm_prefork", "mpm_itk"))
    assert "libstdc++" not in say("ldd", f"{static}/bin/httpd")


@pytest.mark.parametrize("called", ["by its path", "by its name"])
def test_linked_in_it_finds_its_listener_and_serves_each_site_as_its_user(static, sites, called):
    by_path = called == "by its path"
    site = sites(f"{static}/bin/httpd" if by_path else "httpd")
    site.start(env={"PATH": f"{static}/bin:{os.environ['PATH']}"} if not by_path else None)
    site.serves_each_as_its_user()
    listener = Path(f"{static}/modules/itk2-listener")
    assert listener.exists()
    site.graceful()
    site.serves_each_as_its_user()
