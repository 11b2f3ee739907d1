"""The same bytes to two servers, and their answers made comparable: equal save what time and chance put there."""
import re
import ssl

from .client import Broken

_DATE = re.compile(rb"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")
_BOUNDARY = re.compile(rb"boundary=([0-9a-f]+)")


def normalised(data, server, connection):
    """Without the time of the answer, the ports of this server and client, the boundary made up for multipart, and
    the order of the methods in Allow (a hash table's)."""
    data = re.sub(rb"(?m)^Date: .*\r$", b"Date: now\r", data)
    data = re.sub(rb"(?m)^Allow: (.*)\r$",
                  lambda found: b"Allow: " + b",".join(sorted(found.group(1).split(b","))) + b"\r", data)
    for boundary in set(_BOUNDARY.findall(data)):
        data = data.replace(boundary, b"B" * len(boundary))
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
