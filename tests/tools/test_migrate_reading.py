"""itk2-migrate reads what httpd reads: Include, Define, IfModule, Macro, however a file is written."""
import pytest

from migrating import PREFORK, STOCK, USERS, configured, modules, virtual_host  # noqa: F401 (fixtures)

ONE, TWO, THREE, FOUR = USERS


def same(user, mechanism="mpm-itk"):
    return (mechanism, f"{user}:{user}", f"{user}:{user}")


def test_includes_are_followed_as_httpd_follows_them(configured):
    run = configured("Include sites/*.conf\nIncludeOptional none/*.conf\nIncludeOptional more", {
        "sites/a.conf": "Include ../server/sites/deep/x.inc\n".replace("../server/", ""),
        "sites/deep/x.inc": virtual_host("deep.test", f"AssignUserID {ONE} {ONE}"),
        "sites/b.conf": virtual_host("b.test", f"AssignUserID {TWO} {TWO}"),
        "sites/b.conf.off": virtual_host("off.test", "AssignUserID no-such-user no-such-group"),
        "more/1": virtual_host("more.test", f"AssignUserID {THREE} {THREE}"),
    }).migrate()
    assert run.identities() == {"deep.test": same(ONE), "b.test": same(TWO), "more.test": same(THREE)}
    assert run.hosts()["deep.test"]["place"] == "sites/deep/x.inc:1"
    assert run.status == 0


def test_variables_and_conditions_hold_as_httpd_evaluates_them(configured):
    lines = [f"Define OWNER {ONE}", "Define OLD x", "UnDefine OLD",
             virtual_host("variable.test", "AssignUserID ${OWNER} ${OWNER}"),
             f"<IfDefine !OLD>\n{virtual_host('undefined.test', f'AssignUserID {TWO} {TWO}')}\n</IfDefine>",
             f"<IfDefine OLD>\n{virtual_host('old.test', 'Nonsense')}\n</IfDefine>",
             f"<IfDefine GIVEN>\n{virtual_host('given.test', f'AssignUserID {THREE} {THREE}')}\n</IfDefine>",
             f"<IfModule mod_macro.c>\n<IfModule !mod_nothing.c>\n{virtual_host('module.test')}\n</IfModule>",
             "</IfModule>",
             f"<IfModule mod_nothing.c>\n{virtual_host('nothing.test')}\n</IfModule>",
             f"<IfFile www>\n{virtual_host('file.test')}\n</IfFile>",
             f"<IfVersion < 2.4>\n{virtual_host('version.test')}\n</IfVersion>"]
    configuration = configured("\n".join(lines))
    fallback = ("mpm-itk", "www-data:www-data", "www-data:www-data")
    expected = {"variable.test": same(ONE), "undefined.test": same(TWO), "module.test": fallback, "file.test": fallback}
    found = {name: ("mpm-itk",) + row[1:] for name, row in configuration.migrate().identities().items()}
    assert found == expected
    assert configuration.migrate("-D", "GIVEN").identities()["given.test"] == same(THREE)


def test_macros_are_expanded_and_their_places_told(configured):
    text = ("<Macro Site $name $user>\n# a comment\n<VirtualHost *:80>\n  ServerName $name\n\n"
            "  AssignUserID \\\n $user $user\n</VirtualHost>\n</Macro>\n"
            f"Use Site one.test {ONE}\nUse Site two.test {TWO}")
    run = configured(text).migrate()
    assert run.identities() == {"one.test": same(ONE), "two.test": same(TWO)}
    assert "(macro site, line 1 of it)" in run.hosts()["two.test"]["place"]


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_continued_and_strange_lines_are_read(configured, end):
    long_line = "# " + "x" * 100_000
    site = ["<VirtualHost *:80>", '\tServerName "quoted.test"', long_line, f'  assignuserID "{ONE}" \\', f"   '{ONE}'",
            "ServerAlias \udcff\udce4.test", "</VirtualHost>"]
    data = end.join(site).encode("utf-8", "surrogateescape")
    run = configured("Include sites/*.conf", {"sites/a.conf": data}).migrate()
    assert run.identities() == {"quoted.test": same(ONE)}


def test_a_file_included_twice_gives_two_virtual_hosts(configured):
    run = configured("Include sites/a.conf\nDefine AGAIN\nInclude sites/a.conf",
                     {"sites/a.conf": virtual_host("a.test", f"AssignUserID {ONE} {ONE}")}).migrate()
    assert [row["name"] for row in run.report["virtual_hosts"]] == ["localhost", "a.test", "a.test"]


def test_the_environment_of_apache2ctl_is_there(configured):
    run = configured(virtual_host("a.test", "AssignUserID ${SITE_USER} ${SITE_USER}"),
                     {"envvars": f"export SITE_USER={ONE}\n"}).migrate()
    assert run.identities() == {"a.test": same(ONE)}


def test_what_httpd_refuses_is_said_in_its_words_with_status_2(configured):
    configuration = configured("Include sites/*.conf", {"sites/a.conf": "\n\nNonsense on\n"})
    run = configuration.migrate("--write")
    assert run.status == 2
    assert f"{configuration.root}/sites/a.conf:3: Invalid command 'Nonsense'" in run.err
    assert len(run.err.splitlines()) == 1


@pytest.mark.parametrize("options", [["--httpd", "/nowhere"], ["--config", "/nowhere"], ["--modules", "/nowhere"],
                                     ["--no-such-option"], ["--from", "nowhere"], ["--undo", "/nowhere/x"]],
                         ids=lambda options: options[0].strip("-"))
def test_wrong_usage_is_one_line_and_status_3(configured, options):
    run = configured("").migrate(*options)
    assert run.status == 3
    assert len(run.err.splitlines()) == 1 and options[1 if len(options) > 1 else 0] in run.err


def test_a_blocks_guard_that_only_holds_under_itk2_is_noticed(configured):
    """<IfModule mpm_itk.c> in a server that runs plain prefork: its identities come into force with the switch."""
    text = virtual_host("a.test", "<IfModule mpm_itk.c>", f"AssignUserID {ONE} {ONE}", "</IfModule>")
    run = configured(text, load=PREFORK).migrate()
    assert run.identities() == {"a.test": ("User", "www-data:www-data", f"{ONE}:{ONE}")}
    assert run.status == 1
    assert "a.test *:80 runs as www-data:www-data today and would as" in run.decisions()[0]


def test_it_is_only_looked_at(configured):
    configuration = configured(virtual_host("a.test", f"AssignUserID {ONE} {ONE}"), load=STOCK)
    before = configuration.bytes_of_all()
    configuration.migrate()
    assert configuration.migrate(json_too=False).out.startswith("virtual host ")
    assert configuration.bytes_of_all() == before
