"""Small files are read and not mapped, and come as they are: by themselves, in ranges, over TLS, through other filters."""
import os
import random
import re

import pytest

from itk2_testing import accounts
from itk2_testing.client import request
from itk2_testing.tracing import traced

PIECE = 48 * 1024  # the largest that is read at once
SIZES = (0, 1, 7999, 8000, 8001, 16384, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE)
A_MAPPING = re.compile(r"mmap\([^,]+, \d+, [A-Z_|]+, MAP_\w+, \d+")


def content(size):
    return random.Random(size).randbytes(size)


def sites_with_files(servers):
    sites = servers.user_sites(1)
    user = accounts.account(0)
    for size in SIZES:
        path = servers.tree.docroot(user) / f"{size}.bin"
        path.write_bytes(content(size))
        os.chown(path, user.uid, user.gid)
    return sites


def mappings_while_asking(server, size):
    """One connection, so that it is one process's; who serves is there before, and mapped what it needs."""
    with server.connect() as connection:
        def ask():
            connection.send(request(f"/{size}.bin", "v0.test"))
            assert connection.answer().body == content(size)
        ask()
        with traced([process.pid for process in server.processes()], "-e", "trace=mmap") as lines:
            for _ in range(20):
                ask()
    return [line for line in lines if A_MAPPING.search(line)]


def test_small_files_are_not_mapped(servers):
    sites = sites_with_files(servers)
    for size in (1, PIECE):
        assert not mappings_while_asking(servers.start("itk2", sites=sites), size)
    assert len(mappings_while_asking(servers.start("prefork", sites=sites), 1)) >= 20, "this would notice"


@pytest.mark.parametrize("tls", (False, True), ids=("plain", "tls"))
@pytest.mark.parametrize("line", ("EnableMMAP On", "EnableMMAP Off", "EnableSendfile On", "SetOutputFilter SUBSTITUTE"))
def test_files_of_all_sizes_come_whole(servers, kind, tls, line):
    server = servers.start(kind, sites=sites_with_files(servers), lines=(line,), modules=("substitute",))
    with server.connect(tls=tls, sni="v0.test") as connection:
        for size in SIZES:
            connection.send(request(f"/{size}.bin", "v0.test"))
            assert connection.answer().body == content(size)


@pytest.mark.parametrize("size", [size for size in SIZES if size > 20])
def test_ranges_of_a_file_come_whole(servers, kind, size):
    """They share what is set for the file: a range of one byte must not make the other one come in smaller reads."""
    server = servers.start(kind, sites=sites_with_files(servers))
    whole = content(size)
    server.get("/who.txt", "v0.test")
    with traced([process.pid for process in server.processes()], "-e", "trace=read") as lines, \
            server.connect() as connection:
        for first, second in ((f"10-{size - 1}", "0-0"), ("0-0", f"10-{size - 1}")):
            connection.send(request(f"/{size}.bin", "v0.test", headers=[f"Range: bytes={first},{second}"]))
            answer = connection.answer()
            assert answer.status == 206
            for part in (whole[10:], whole[:1]):
                assert b"\r\n\r\n" + part + b"\r\n--" in answer.body
    if size - 10 <= PIECE:  # what is more is read by pieces, of which some are as small
        assert not [line for line in lines if line.endswith("= 8000")], "httpd's own size of a read"
