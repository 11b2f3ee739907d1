"""Sites of two users, one of them hostile, and a site that may see everybody's status; the same for both servers."""
import itertools
import os
import secrets
from pathlib import Path

from attacking import RANGE, SERVER_USER, SITES, Target
from itk2_testing.configuration import Plan, Site

HOSTILE, OTHER = "hostile.test", "other.test"
UNDECIDED = "undecided.test"  # of the hostile site's user, as only the request tells
_numbers = itertools.count()
LONG_AGO = 1_000_000_000  # opcache leaves alone what has just been written


def word():
    return secrets.token_hex(16)


def of_hostile_site(path="/page.txt"):
    """Where attacks come from: its worker."""
    return {"site": HOSTILE, "path": path, "at": "fixups"}


def of_parser(path="/page.txt"):
    """A parser, for no earlier request was for the same host."""
    return {"site": f"n{next(_numbers)}.{UNDECIDED}", "path": path, "at": "read"}


class TwoSites(Target):
    def attack(self, attack, **place):
        """As everywhere, and it came to its end: what is not in the report was looked for in all of the memory."""
        report = super().attack(attack, **place)
        assert report.whole() and "killed by" not in str(report), f"{self.kind}: {report}"
        return report

    def write(self, name, text):
        page = self.instance.directory / "pages" / name
        page.write_text(text)
        page.chmod(0o444)
        os.utime(page, (LONG_AGO, LONG_AGO))
        return f"/{name}"

    def body(self, path, site):
        answer = self.instance.get(path, site)
        assert answer.status == 200, f"{self.kind}: {answer}"
        return answer.body.decode()

    def is_mpm_itk(self):
        return self.kind == "itk"


def two_sites(kind, servers, native, found, tls=False, lines=()):
    docroot = Path("@DIR@") / "pages"
    sites = [Site(name, docroot, f"{user.name} {user.name}")
             for name, user in zip(("all.test", HOSTILE, OTHER), (SITES[1], SITES[2], SITES[0]))]
    user = SITES[2].name
    sites.append(Site(UNDECIDED, docroot, "", (f"ServerAlias *.{UNDECIDED}",
                                               f"<Location />\nAssignUserID {user} {user}\n</Location>")))
    instance = servers.make(Plan(
        kind, sites, user=f"{SERVER_USER.name} {SERVER_USER.name}", tls=tls, load=(native.load,),
        lines=(f"LimitUIDRange {RANGE[0]} {RANGE[1]}", f"LimitGIDRange {RANGE[0]} {RANGE[1]}", *lines)))
    target = TwoSites(instance, native, found)
    instance.start()
    return target
