"""One audit: a reading, its findings, and a second look at all that might only have been passing."""
import time

from . import confinement, identities, sharing
from .finding import Finding
from .instance import Instance
from .reading import CannotAudit

PAUSES = (0.3, 0.7)  # seconds before the second and the third look
SPARE_LOOKS = 20  # with the first of the pauses before each

# What an onlooker cannot see, and so does not claim.
UNSEEN = (
    ("I8", "that the master believes no memory a child can write"),
    ("I10", "a process's session keyring: the kernel shows it to the process alone"),
    ("I14", "how many descriptors are on their way in a channel"),
    ("I16", "that a process dies with its parent (PR_SET_PDEATHSIG): only killing the master shows it"),
    ("I3", "securebits: only the process itself can ask"),
    ("I22", "whether files are hidden from a listener (Landlock): the log's line ITK2111 says"),
)
UNSEEN_CHANNELS = ("I13", "which directions of a channel are shut: the kernel's sock_diag does not answer here")


def findings_of(instance):
    found = {}
    for module in (identities, sharing, confinement):
        for one in module.check(instance):
            found.setdefault(one.key(), one)
    return found


def audit(master, options, life, sleep=time.sleep):
    """(Instance, [Finding]). `life` is kept from audit to audit: who has been what."""
    instance = _with_known_accounts(master, options, life, sleep)
    found = findings_of(instance)
    sure = {key: one for key, one in found.items() if one.at_once}
    lasting = {key: one for key, one in found.items() if not one.at_once}
    for pause in PAUSES:
        if not lasting:
            break
        sleep(pause)
        again = findings_of(Instance(master, options, life.accounts))
        sure.update({key: one for key, one in again.items() if one.at_once})
        lasting = {key: one for key, one in lasting.items() if key in again or _stays(one, again)}
    sure.update(lasting)
    for one in life.changes(instance):
        sure.setdefault(one.key(), one)
    return instance, sorted(sure.values(), key=lambda one: (one.process.pid, one.invariant, one.check, one.wrong))


def _with_known_accounts(master, options, life, sleep):
    """An Instance in which spares, scribes, resolvers and tellers can be told from workers: under load each spare may
    have its order before it is seen. Raises CannotAudit."""
    for _ in range(SPARE_LOOKS):
        instance = Instance(master, options, life.accounts)
        if instance.accounts.spare is not None or options.foreign:
            return instance
        sleep(PAUSES[0])
    raise CannotAudit("no spare of process %d was seen, whose account would be SpareAccount: name it with "
                      "--spare-account" % master)


def _stays(finding, again):
    """What is found about two processes names one of them, which may be another one the next time."""
    return any(one.process.name == finding.process.name and one.check == finding.check for one in again.values())


class Life:
    """What earlier audits have told: the server's own accounts, and who has been which worker."""

    def __init__(self):
        self.accounts, self._seen = {}, {}

    def changes(self, instance):
        for process in instance.of("worker"):
            before = self._seen.setdefault(process.name, process.own.uid)
            if before != process.own.uid:
                yield Finding(process, "second-identity", "is uid %d and was uid %d" % (process.own.uid, before),
                              "one identity for life", True)
        for process in instance.of("spare", "parser"):
            if process.name in self._seen:
                yield Finding(process, "second-life", "is a %s and was a worker" % process.role,
                              "a worker for life", True)


def unseen(instance):
    return UNSEEN + (() if instance.sockets.knows_unix else (UNSEEN_CHANNELS,))
