"""A client that asks again after a 421, on another connection, as HTTP has it and browsers do.

A 421 may come where the first bytes of a connection do not tell whose it is and the guess from others like it is wrong:
where a file's name, a header or the query decides. It must not come where the path tells, nor inside TLS; and only few
times for a host, for then there is no more guessing.
"""
from collections import Counter
from pathlib import PurePosixPath

MOST = 4  # three, and one that is under way while the third is told


class Asking:
    def __init__(self, server, misleading=()):
        """misleading: the folders in which paths do not tell."""
        self.server, self.misleading = server, misleading
        self.misled = Counter()

    def connect(self, path, host, tls=False, **options):
        """A connection whose first request has been answered, and that answer."""
        while True:
            connection = self.server.connect(tls=tls, sni=host)
            try:
                answer = connection.get(path, host, **options)
            except BaseException:
                connection.close()
                raise
            if answer.status != 421:
                return connection, answer
            connection.close()
            folder = str(PurePosixPath(path.split("?")[0]).parent)
            assert not tls and folder in self.misleading, f"421 for {host}{path}"
            self.misled[host] += 1
            assert self.misled[host] <= MOST, f"421 for {host}{path}, and {MOST} times before"

    def get(self, path, host, tls=False, **options):
        connection, answer = self.connect(path, host, tls, close=True, **options)
        connection.close()
        return answer
