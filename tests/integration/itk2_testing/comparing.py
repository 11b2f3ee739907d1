"""The same bytes to two servers, and their answers made comparable: equal save what time and chance put there."""
import re
import ssl

from .client import Broken

_DATE = re.compile(rb"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")
_MULTIPART = re.compile(rb"Content-Length: (\d+)(\r\n(?:[^\r\n]+\r\n)*?Content-Type: multipart/[^\r\n]*boundary=)([0-9a-f]+)")
_LONGEST_BOUNDARY = 16  # a random number in hexadecimal, without leading zeros: as a rule so long, sometimes shorter


def _without_boundary(data):
    """Another boundary in its place, of one length for all, and the Content-Length that goes with it."""
    for found in list(_MULTIPART.finditer(data))[::-1]:
        length, between, boundary = found.groups()
        head, body_end = data[:found.start()], data.find(b"--" + boundary + b"--", found.end())
        end = body_end + len(boundary) + 4 if body_end >= 0 else len(data)
        body = data[found.end():end]
        more = body.count(boundary) * (_LONGEST_BOUNDARY - len(boundary))
        data = (head + b"Content-Length: %d" % (int(length) + more) + between + b"B" * _LONGEST_BOUNDARY
                + body.replace(boundary, b"B" * _LONGEST_BOUNDARY) + data[end:])
    return data


def normalised(data, server, connection):
    """Without the time of the answer, the ports of this server and client, the boundary made up for multipart, and
    the order of the methods in Allow (a hash table's)."""
    data = re.sub(rb"(?m)^Date: .*\r$", b"Date: now\r", data)
    data = re.sub(rb"(?m)^Allow: (.*)\r$",
                  lambda found: b"Allow: " + b",".join(sorted(found.group(1).split(b","))) + b"\r", data)
    data = _without_boundary(data)
    for port in (*server.ports.values(), *server.spare_ports):
        data = data.replace(b"%d" % port, b"SPORT")
    return data.replace(b"%d" % connection.local_port, b"CPORT")


def exchange(server, talk, port=None, **options):
    """What talk(connection) gives: all bytes the server sent, normalised. talk is given a fresh connection."""
    with server.connect(**options) if port is None else server.connect_to(port(server), **options) as connection:
        try:
            found = talk(connection)
        except (Broken, ssl.SSLError) as error:
            found = f"broken: {type(error).__name__}".encode()
        return normalised(found, server, connection)


def saying(data):
    """A talk: say all of this, then hear to the end."""
    return lambda connection: connection.send(data).rest()


def difference(control, subject):
    pairs = enumerate(zip(control, subject))
    first = next((place for place, (a, b) in pairs if a != b), min(len(control), len(subject)))
    place = slice(max(0, first - 40), first + 200)
    return f"from byte {first} of {len(control)}/{len(subject)}: {subject[place]!r} instead of {control[place]!r}"


def assert_same(pair, talk, **options):
    """Both servers of the pair answer alike, and do answer. Gives the answer."""
    control, subject = (exchange(server, talk, **options) for server in pair)
    assert control, "the control itself answers nothing"
    same = subject == control  # apart from the assertion, which would otherwise show megabytes
    assert same, difference(control, subject)
    return control


def normalised_log(path):
    """The lines of an access or error log without times, processes and ports, sorted."""
    lines = path.read_text(errors="replace").splitlines()
    lines = [re.sub(r"\[(?:\w{3} \w{3} [^]]*|\d\d/\w{3}/[^]]*|pid [^]]*)\]", "[]", line) for line in lines]
    return sorted(re.sub(r"\b\d{5}\b|(?<=client 127\.0\.0\.1:)\d+", "N", line) for line in lines)
