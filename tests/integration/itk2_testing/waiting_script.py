"""A PHP request that runs until it is let go: for whatever must happen in its middle."""
import itertools

from .client import request
from .waiting import poll

_numbers = itertools.count()


class RunningRequest:
    """wait.php of a site, on a connection of its own; begun() says that PHP runs and who runs it."""

    def __init__(self, server, site="v0.test", tls=False, close=True):
        number = next(_numbers)
        self.signs = server.directory / "signs"
        if not self.signs.exists():
            self.signs.mkdir()
            self.signs.chmod(0o1777)
        self.started, self.go = self.signs / f"started{number}", self.signs / f"go{number}"
        self.site = site
        self.connection = server.connect(tls=tls, sni=site, timeout=60)
        self.connection.send(request(f"/wait.php?started={self.started}&go={self.go}", site, close=close))

    def begun(self):
        """The pid of the process that runs it."""
        poll(self.started.exists, f"the script of {self.site} does not begin")
        return int(self.started.read_text())

    def let_go(self):
        self.go.touch()
        self.go.chmod(0o644)
        return self

    def answer(self):
        return self.connection.answer()

    def finish(self):
        return self.let_go().answer()

    def close(self):
        self.let_go()
        self.connection.close()
