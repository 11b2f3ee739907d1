"""Native code in a process that has read a request and has no identity yet: what it can become, and what it can read.

Each attack that works is shown to work: against mpm-itk, whose promise is its ranges and its system call filter.
"""
from dataclasses import dataclass

import pytest

from attacking import (ACCOMPLICE, FORBIDDEN, NO_ENTRY, REFUSED, SECRET_GROUP, SITES, Accomplice, Target, plan)
from itk2_testing import proc

OTHER = SITES[2]  # whose site nothing but its own route leads to
SHADOW, DISK = 42, 6
INSIDE = SITES[0].uid  # an id that mpm-itk's filter lets pass, for use inside of a namespace

moments = pytest.mark.parametrize("at", ["read", "translate"])


@dataclass(frozen=True)
class Case:
    attack: str
    proof: str  # the secret it is after, by the name it has in `attack`


CASES = {
    "read-any-file": Case("read {root}", "root"),
    "setgroups-to-root": Case("setgroups 0 {group_root}", "group_root"),
    "setgroups-to-shadow": Case(f"setgroups {SHADOW} {{group_shadow}}", "group_shadow"),
    "setgroups-to-disk": Case(f"setgroups {DISK} {{group_disk}}", "group_disk"),
    "setgroups-to-a-secret-group": Case(f"setgroups {SECRET_GROUP} {{group_secret}}", "group_secret"),
    "become-another-site": Case(f"become {OTHER.uid} {OTHER.gid} {{other}}", "other"),
    "become-two-sites": Case(f"two-lives {SITES[1].uid} {SITES[1].gid} {{site}} {OTHER.uid} {OTHER.gid} {{other}}",
                             "other"),
    "map-a-forbidden-user-by-unshare": Case(f"own-child unshare {INSIDE} {FORBIDDEN.uid} {FORBIDDEN.gid} {{forbidden}}",
                                            "forbidden"),
    "map-a-forbidden-user-by-clone3": Case(f"own-child clone3 {INSIDE} {FORBIDDEN.uid} {FORBIDDEN.gid} {{forbidden}}",
                                           "forbidden"),
    "map-shadow-by-unshare": Case(f"own-child unshare {INSIDE} {FORBIDDEN.uid} {SHADOW} {{group_shadow}}",
                                  "group_shadow"),
    "map-root's-group-by-clone3": Case(f"own-child clone3 {INSIDE} {FORBIDDEN.uid} 0 {{group_root}}", "group_root"),
}


@pytest.fixture(scope="module")
def names(found):
    """The secrets as the attacks name them."""
    return {"root": found.root, "forbidden": found.forbidden, "site": found.sites[1], "other": found.sites[2],
            "group_root": found.of_group(0), "group_shadow": found.of_group(SHADOW),
            "group_disk": found.of_group(DISK), "group_secret": found.of_group(SECRET_GROUP)}


def is_what_it_was(report, moment):
    """Ids, groups and maps at a later moment of the report are those of before."""
    for line in ("Uid", "Gid", "Groups", "uid_map", "gid_map", "namespace"):
        before = report.outcome(f"before {line}")
        assert set(report.outcomes(f"{moment} {line}")) <= {before}, f"{line} has changed:\n{report}"


def is_refused(report, *steps):
    for step in steps:
        outcomes = report.outcomes(step)
        assert outcomes and set(outcomes) <= REFUSED, f"{step} was not refused:\n{report}"


def has_gained_nothing(report, found):
    for moment in ("after", "life", "then", "joined", "behind"):
        is_what_it_was(report, moment)
    assert not [word for word in found.words.values() if word in str(report)], report


@moments
def test_mpm_itk_holds_capabilities_of_the_whole_machine_while_it_parses(itk, at):
    """The control of the next one, and what all attacks here rest on; its filter is in force."""
    report = itk.attack("read /dev/null", at=at)
    assert report.mask("before CapEff") & proc.SET_IDS == proc.SET_IDS
    assert report.outcome("before uid_map") == "0 0 4294967295" and report.outcome("before Seccomp") == "2"
    assert report.mask("before CapBnd") != 0


@moments
@pytest.mark.parametrize("site,path", [("undecided.test", "/page.txt"), ("undecided.test", "/other/page.txt"),
                                       ("expression.test", f"/as/{SITES[0].name}/page.txt")])
def test_a_parser_holds_two_capabilities_in_a_namespace_without_ids(itk2, native, at, site, path):
    report = itk2.attack("read /dev/null", at=at, site=site, path=path)
    own = native.alone("read /dev/null").outcome("before namespace")
    assert report.outcome("before namespace") not in ("?", own)
    assert report.mask("before CapPrm") == report.mask("before CapEff") == proc.SET_IDS
    assert [report.mask(f"before {name}") for name in ("CapInh", "CapBnd", "CapAmb")] == [0, 0, 0]
    assert report.outcome("before uid_map") == report.outcome("before gid_map") == ""
    assert report.outcome("before Groups") == ""


def test_a_parsers_account_is_nobodys(itk2):
    """As the machine sees it; inside of its namespace it has no number at all."""
    seen = [process.status() for process in itk2.instance.processes() if itk2.instance.role(process) == "parser"]
    used = {user.uid for user in SITES} | {0}
    for role in ("listener", "spare"):
        used |= {process.status().uids[0] for process in itk2.instance.in_role(role)}
    assert seen and all(len(set(status.uids)) == 1 and status.uids[0] not in used for status in seen)


@moments
@pytest.mark.parametrize("name", CASES)
def test_an_attack_that_works_against_mpm_itk_fails_here(itk, itk2, found, names, name, at):
    case = CASES[name]
    attack = case.attack.format(**names)
    assert itk.attack(attack, at=at).has_read(names[case.proof], found.words), "no attack at all: mpm-itk withstands it"
    report = itk2.attack(attack, at=at)
    assert report.whole(), report
    has_gained_nothing(report, found)
    for step in ("setgroups", "setresgid", "setresuid", "unshare"):
        assert set(report.outcomes(step)) <= REFUSED, report


@pytest.mark.parametrize("how", ["unshare", "clone3"])
def test_a_parser_makes_no_namespace(itk, itk2, names, how):
    """What is not mapped in its own namespace can't own another one."""
    attack = f"own-child {how} {INSIDE} {FORBIDDEN.uid} {FORBIDDEN.gid} {names['forbidden']}"
    assert itk.attack(attack).outcomes(how)[-1] == "ok"
    assert itk2.attack(attack).outcomes(how)[-1] == "EPERM"


@pytest.mark.parametrize("uid,gid", [(0, 0), (FORBIDDEN.uid, SECRET_GROUP), (OTHER.uid, OTHER.gid),
                                     (SITES[0].uid, SITES[0].gid), (33, 33)])
def test_no_call_gives_a_parser_an_id(itk2, native, uid, gid):
    """Not even the one it may be granted; the same calls work for root outside of a server."""
    attack = f"every-call {uid} {gid}"
    control = native.alone(attack)
    calls = [line.split(":")[0] for line in control.lines if line.startswith("set") and " gives " not in line]
    assert len(calls) == 9
    for call in calls:
        assert control.outcome(call) == "ok", control
    report = itk2.attack(attack)
    is_refused(report, *calls)


def test_the_filter_of_mpm_itk_refuses_what_its_range_does(itk, found, names):
    """So that what goes around it goes around something."""
    report = itk.attack(f"become {FORBIDDEN.uid} {FORBIDDEN.gid} {names['forbidden']}")
    is_refused(report, "setresuid", "setresgid")
    assert not report.has_read(names["forbidden"], found.words)


@pytest.mark.parametrize("uid,gid", [(0, 0), (FORBIDDEN.uid, SECRET_GROUP)])
def test_no_call_by_another_entry_gives_an_id(itk, itk2, native, uid, gid):
    """int $0x80 and x32 numbers. mpm-itk's filter kills for these, so the control is root outside of a server."""
    attack = f"compat-calls {uid} {gid}"
    calls = native.calls(attack)
    assert len(calls) == 15
    of_itk, report = itk.attack(attack), itk2.attack(attack)
    for call, there in calls.items():
        assert of_itk.outcome(call) in ("killed by SIGSYS", "ENOSYS", "EPERM", *({there} & NO_ENTRY)), of_itk
        assert report.outcome(call) in (REFUSED if there == "ok" else {there}), report


@moments
def test_an_accomplices_namespace_gives_nothing(itk, itk2, native, found, names, at):
    """The accomplice waits for a map of a forbidden user; both it and the attacker are to become that user."""
    secret = names["forbidden"]

    def reports(target):
        with Accomplice(native, ACCOMPLICE, INSIDE, secret) as accomplice:
            words = f"{accomplice.pid} {accomplice.user.uid} {accomplice.inside}"
            mapping = target.attack(f"map-accomplice {words} {FORBIDDEN.uid} {FORBIDDEN.gid}", at=at)
            joining = target.attack(f"join-accomplice {words} {secret} {accomplice.socket}", at=at)
            return mapping, joining, accomplice.try_it()

    mapping, joining, its_own = reports(itk)
    assert joining.has_read(secret, found.words), f"{mapping}\n{joining}"
    assert its_own.has_read(secret, found.words), f"{mapping}\n{its_own}"
    mapping, joining, its_own = reports(itk2)
    is_refused(mapping, "seteuid of the accomplice", *[line.split(":")[0] for line in mapping.lines if "_map: " in line
                                                       and not line.startswith("before")])
    assert joining.outcome("be given the namespace") == "ok", joining
    is_refused(joining, "seteuid of the accomplice", "open the namespace", "setns")
    has_gained_nothing(joining, found)
    assert not its_own.has_read(secret, found.words), its_own
    assert its_own.outcome("after uid_map") == "", its_own


@moments
def test_a_parser_writes_no_map_of_its_own(itk2, found, at):
    """That the writing itself works is seen where mpm-itk's child is given one."""
    for uid, gid in ((FORBIDDEN.uid, SECRET_GROUP), (SITES[0].uid, SITES[0].gid), (0, 0)):
        report = itk2.attack(f"map-myself {uid} {gid}", at=at)
        written = [line for line in report.lines if line.startswith(("write ", "open "))]
        assert len(written) == 3 and not [line for line in written if line.endswith(": ok")], report
        has_gained_nothing(report, found)


@pytest.mark.parametrize("name", ["setgroups-to-shadow", "become-another-site", "map-a-forbidden-user-by-clone3"])
def test_the_weaker_tier_is_weaker_and_says_so(servers, native, found, names, name):
    """The control within this server: without the namespace the same attacks succeed in a parser. But for the
    capabilities that mpm-itk keeps beside these two."""
    instance = servers.make(plan("itk2", native, lines=("ParserConfinement capabilities",)))
    target = Target(instance, native, found)
    instance.allow("ITK2213")
    instance.start()
    assert "ITK2213" in instance.log()
    case = CASES[name]
    report = target.attack(case.attack.format(**names))
    assert report.mask("before CapEff") == proc.SET_IDS and report.mask("before CapBnd") == 0
    assert report.has_read(names[case.proof], found.words), report
    target.serves()


def test_both_servers_serve_as_before(itk, itk2):
    itk.serves()
    itk2.serves()
