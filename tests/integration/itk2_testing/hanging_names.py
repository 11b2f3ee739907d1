"""A name service for one httpd alone that hangs when told to, as LDAP does when its server is gone.

That httpd runs in a mount namespace of its own, where /etc/nsswitch.conf names our module first.
"""
import contextlib
import subprocess
from pathlib import Path

CALLS = ("getpwnam", "getpwuid", "getgrnam", "getgrgid", "initgroups")
SOURCE = Path(__file__).parent / "modules" / "nss_hang.c"


class HangingNames:
    def __init__(self, folder):
        folder.mkdir()
        self.signs = folder / "signs"
        self.signs.mkdir()
        for directory in (folder, self.signs):
            directory.chmod(0o755)
        subprocess.run(["gcc", "-shared", "-fPIC", "-Wall", "-Werror", f'-DSIGNS="{self.signs}"',
                        "-Wl,-soname,libnss_hang.so.2", "-o", folder / "libnss_hang.so.2", SOURCE],
                       check=True, timeout=60)
        self.switch = folder / "nsswitch.conf"
        self.switch.write_text("passwd: hang files\ngroup: hang files\nhosts: files dns\n")
        self.folder = folder

    def serve(self, server):
        """This server, not yet started, will ask us first."""
        server.wrapper = ("unshare", "-m", "sh", "-c", f'mount --bind "{self.switch}" /etc/nsswitch.conf && exec "$@"',
                          "sh")
        server.further_environment = {"LD_LIBRARY_PATH": str(self.folder)}
        return server

    @contextlib.contextmanager
    def hanging(self, call):
        (self.signs / call).touch()
        try:
            yield
        finally:
            (self.signs / call).unlink()

    @contextlib.contextmanager
    def lying(self, user):
        """Every test user's name and uid is this user's."""
        lie = self.signs / "lie"
        lie.write_text(f"{user.uid}\n")
        lie.chmod(0o644)
        try:
            yield
        finally:
            lie.unlink()

    @contextlib.contextmanager
    def gone(self):
        """Nobody has a name any more; the file is written in place, as it is mounted where that server looks."""
        before = self.switch.read_text()
        self.switch.write_text("passwd: hang\ngroup: hang\nhosts: files dns\n")
        try:
            yield
        finally:
            self.switch.write_text(before)
