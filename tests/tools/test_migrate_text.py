"""The pure parts of itk2-migrate: words, lines, edits, pools, httpd's complaints."""
import pytest

import migrating  # noqa: F401 (finds the package)
from itk2_migrate import pools, sources, tree
from itk2_migrate.asking import Answer
from itk2_migrate.report import printable


@pytest.mark.parametrize("text,expected", [
    ("a b", ["a", "b"]), ("  a\t b  ", ["a", "b"]), ("", []), ('"a b" c', ["a b", "c"]), ("'a \"b' c", ['a "b', "c"]),
    (r'"a\"b" c', ['a"b', "c"]), (r'"a\\" b', ["a\\", "b"]), ('"open', ["open"]),
    ('a"b c', ['a"b', "c"]), ('""', [""])])
def test_words_are_divided_as_httpd_divides_them(text, expected):
    assert tree.words(text) == expected


def record(kind, depth, file, line, name, arguments):
    return b"".join(field + b"\0" for field in (kind, b"%d" % depth, file, b"%d" % line, name, arguments))


def test_a_tree_is_read_back_as_it_was_written():
    lines = [(0, 2, b"<VirtualHost", b"*:80>"), (1, 3, b"<If", b"x>"), (2, 4, b"ServerName", b"deep"),
             (1, 6, b"ServerName", b"\xff"), (0, 8, b"User", b"u")]
    read = tree.read(record(b"module", 0, b"", 0, b"core.c", b"") +
                     record(b"load", 0, b"/f", 1, b"LoadModule", b"x y") +
                     b"".join(record(b"line", depth, b"/f", *rest) for depth, *rest in lines) +
                     record(b"end", 0, b"", 0, b"", b""))
    assert read.is_complete and read.modules == {"core.c"}
    main, host = read.virtual_hosts()
    assert (main.last("user").arguments, host.name, host.addresses) == ("u", "\udcff", ["*:80"])
    assert [one.arguments for one in host.inner("servername")] == ["deep"]
    assert [one.name for one in host.inner("servername")[0].sections()] == ["<VirtualHost", "<If"]


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_tree_that_was_not_finished_is_not_complete(cut):
    whole = record(b"line", 0, b"/f", 2, b"User", b"u") * 3
    assert not tree.read(whole[:cut]).is_complete


def source_of(tmp_path, data):
    path = tmp_path / "a.conf"
    path.write_bytes(data)
    return sources.Source(str(path))


@pytest.mark.parametrize("data,expected", [
    (b"a\nb\n", [(1, 1, b"a"), (2, 2, b"b")]), (b"a \\\n b\nc", [(1, 2, b"a  b"), (3, 3, b"c")]),
    (b"a\\\r\nb\r\n", [(1, 2, b"ab")]), (b"", []), (b"\n\n", [(1, 1, b""), (2, 2, b"")]), (b"a\\", [(1, 1, b"a\\")]),
    (b"# x \\\n y\nz\n", [(1, 2, b"# x  y"), (3, 3, b"z")])])
def test_lines_are_joined_as_httpd_joins_them(tmp_path, data, expected):
    assert [(line.first, line.last, line.text) for line in source_of(tmp_path, data).logical] == expected


def directive(path, line, name="Name", arguments="x"):
    return tree.Directive(name, arguments, path, line)


@pytest.mark.parametrize("data,line,name,found", [
    (b"Name x\n", 1, "Name", True), (b"  nAME  x \r\n", 1, "Name", True), (b"Name y\n", 1, "Name", False),
    (b"Other x\n", 1, "Name", False), (b"Name x\n", 2, "Name", False), (b"Name ${X}\n", 1, "Name", True),
    (b"Name \\\n x\n", 2, "Name", True), (b"Name $x\n", 1, "Name", False), (b"Name x\0y\n", 1, "Name", False)])
def test_a_directive_is_found_only_where_the_file_has_it(tmp_path, data, line, name, found):
    path = source_of(tmp_path, data).path
    if found:
        assert sources.Files().find(directive(path, line, name))[1].last == line
    else:
        with pytest.raises(sources.NotFound):
            sources.Files().find(directive(path, line, name))


def test_a_macros_line_is_found_behind_its_definition(tmp_path):
    path = source_of(tmp_path, b"x\n<Macro M $n>\n# c\nName \\\n$n\nLast 1\n</Macro>\n").path
    used = "macro 'm' (defined on line 2 of \"%s\") used on line 9 of \"/other\"" % path
    assert sources.Files().find(directive(used, 1))[1].first == 4
    assert sources.Files().find(directive(used, 2, "Last", "1"))[1].first == 6
    assert sources.shown_place(used, 1) == "/other:9 (macro m, line 1 of it)"
    with pytest.raises(sources.NotFound):
        sources.Files().find(directive(used.replace("of \"/o", ", redefined on line 3 of \"/x\" of \"/o"), 7))


def test_edits_change_their_lines_and_no_other_byte(tmp_path):
    source = source_of(tmp_path, b"one\r\n\ttwo \\\r\n  \xff\r\nthree\nfour")
    edits = sources.Edits()
    one, two, three, four = source.logical
    for _ in range(2):
        assert edits.replace(source, two, sources.renamed(two, b"TWO"))
    assert not edits.replace(source, two, [b"other"])
    assert edits.insert(source, four, [b"five"]) and not edits.insert(source, four, [b"six"])
    edits.replace(source, three, sources.commented_out(three))
    assert [edits.original_line(source, line) for line in (1, 2, 3, 4, 5, 6)] == [1, 2, 2, 4, 5, 5]
    assert edits.applied(source) == b"one\r\n\tTWO \\\r\n  \xff\r\n# itk2-migrate: three\nfour\nfive\n"


def test_a_replaced_last_line_ends_as_it_did(tmp_path):
    source = source_of(tmp_path, b"a\nlast")
    edits = sources.Edits()
    edits.replace(source, source.logical[1], [b"x", b"y"])
    assert edits.applied(source) == b"a\nx\ny"


FPM = """[1-Jan-2026 00:00:00] NOTICE: [global]
[1-Jan-2026 00:00:00] NOTICE: \tpid = x
[1-Jan-2026 00:00:00] NOTICE: [site]
[1-Jan-2026 00:00:00] NOTICE: \tuser = nobody
[1-Jan-2026 00:00:00] NOTICE: \tgroup = undefined
[1-Jan-2026 00:00:00] NOTICE: \tlisten = %s
[1-Jan-2026 00:00:00] NOTICE: \tphp_value[a] = "x\\" = y
"""


@pytest.mark.parametrize("listen,handler,matches", [
    ("/run/x.sock", "proxy:unix:/run/x.sock|fcgi://localhost", True),
    ("/run/../run/x.sock", "proxy:unix:/run/x.sock|fcgi://localhost/", True),
    ("/run/x.sock", "proxy:unix:/run/y.sock|fcgi://localhost", False),
    ("9000", "proxy:fcgi://127.0.0.1:9000", True), ("127.0.0.1:9000", "proxy:fcgi://localhost:9000/srv", True),
    ("[::1]:9000", "proxy:fcgi://[::1]:9000/", True), ("9000", "proxy:fcgi://127.0.0.1:9001", False),
    ("10.0.0.1:9000", "proxy:fcgi://127.0.0.1:9000", False)])
def test_handlers_find_their_pool(listen, handler, matches):
    [pool] = pools.parse(FPM % listen, "php-fpm")
    found = pools.sent(directive("/f", 1, "SetHandler", '"%s"' % handler), [pool])
    assert found is not None and (found.pool is pool) == matches


def test_a_pools_settings_become_directives():
    [pool] = pools.parse(FPM % "9000", "php-fpm")
    assert (pool.name, pool.user) == ("site", "nobody")
    assert pool.lines() == ['php_value a "\\"x\\\\\\" = y"']


@pytest.mark.parametrize("said,expected", [
    ("AH00526: Syntax error on line 3 of /a b.conf:\nInvalid command 'X'\n", ("/a b.conf", 3, "Invalid command 'X'")),
    ("apache2: Syntax error on line 1 of /m.conf: Syntax error on line 2 of /i.conf: Expected </X>\n",
     ("/i.conf", 2, "Expected </X>")),
    ("[Fri Nov 20] [so:warn] AH01574: module x\nAH00534: apache2: Configuration error: No MPM loaded.\n",
     (None, None, "apache2: Configuration error: No MPM loaded.")), ("", (None, None, "httpd gave no reason"))])
def test_httpds_complaint_is_one_line(said, expected):
    assert Answer(tree.Tree(), 1, said).complaint() == expected


def test_what_is_printed_cannot_harm_a_terminal():
    assert printable("ä\x1b[1m\udcff\n") == "ä\\x1b[1m\\xff\\x0a"
