"""The server under test and mpm-itk with the same configuration, asked the same."""
from .configuration import Plan, itk2_module

# The names under which the packages load it, for <IfModule>.
OTHER_NAMES = ("mpm_prefork_module", "mpm_itk_module")


class Pair:
    """control: mpm-itk. subject: the server under test; the control itself when that is under test."""

    def __init__(self, control, subject):
        self.control, self.subject = control, subject

    @property
    def alone(self):
        return self.subject is self.control

    @property
    def servers(self):
        return (self.control,) if self.alone else (self.control, self.subject)

    def get(self, path, site=None, **options):
        """Both answers, the control's first; twice the control's where that is alone."""
        answers = [server.get(path, site, **options) for server in self.servers]
        return answers[0], answers[-1]

    def allow(self, *patterns):
        for server in self.servers:
            server.allow(*patterns)


def plan(kind, sites, load=(), **others):
    names = tuple(f"LoadModule {name} {itk2_module()}" for name in OTHER_NAMES) if kind == "itk2" else ()
    return Plan(kind, sites, load=names + tuple(load), **others)


def start(servers, kind, sites, **others):
    started = {one: servers.make(plan(one, sites, **others)).start() for one in dict.fromkeys(("itk", kind))}
    return Pair(started["itk"], started[kind])
