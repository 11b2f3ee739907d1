"""Which protections are in force, role by role: as the fakes have them, as one that lacks them has not, and as a real
server says at its start."""
import re
from pathlib import Path

import kernel
from itk2_testing import accounts
from itk2_testing.configuration import Plan
from itk2_testing.waiting_script import RunningRequest
from life import ONE
from looking import FAKES, look, run
from plants import CHOWN, afterwards, both, having, keeping

TOP = Path(__file__).resolve().parents[2]
KEPT = {
    "listener": {"bounding set": {"empty": 1}, "system calls": {"filtered": 1}, "new privileges": {"refused": 1}},
    "spare": {"bounding set": {"empty": 1}},
    "parser": {"bounding set": {"empty": 1}, "user namespace": {"own": 1}, "uids mapped": {"none": 1}},
    "worker": {"bounding set": {"empty": 2}, "set-uid programs": {"gain no capability": 2}},
    "memory": {"shared mappings": {"none": 0}},
}
REFUSED = afterwards(lambda life: kernel.no_new_privileges())


def seen(planted, *options, maps=(), **plant):
    """The protections of a server of fakes, in JSON, and the lines of the text."""
    plant = {"listener": having(no_new_privileges=True), **plant}
    with planted(**plant) as server:
        for place, *texts in maps:
            server.map_ids(place, *texts)
        text = run(server.master, *FAKES, *options).stdout.splitlines()
        begin = text.index("Protections") + 1
        return look(server.master, *FAKES, *options).whole["protections"], text[begin:text.index("", begin)]


def test_fakes_that_have_all(planted):
    found, lines = seen(planted)
    assert found == KEPT
    assert [" ".join(line.split()) for line in lines] == [
        "listener bounding set empty; system calls filtered; new privileges refused",
        "spare bounding set empty",
        "parser bounding set empty; user namespace own; uids mapped none",
        "worker bounding set empty; set-uid programs gain no capability",
        "memory shared mappings none (0)"]


def test_fakes_that_lack_them(planted):
    found, lines = seen(planted, listener=having(filtered=False, bounding=CHOWN), parser=having(namespace=None),
                        spare=having(bounding=CHOWN), one=both(having(bounding=CHOWN), keeping("memory")),
                        two=both(REFUSED, keeping("memory")))
    assert found == {
        "listener": {"bounding set": {"chown": 1}, "system calls": {"all": 1}, "new privileges": {"not refused": 1}},
        "spare": {"bounding set": {"chown": 1}},
        "parser": {"bounding set": {"empty": 1}, "user namespace": {"the master's": 1}, "uids mapped": {"all": 1}},
        "worker": {"bounding set": {"chown": 1, "empty": 1},
                   "set-uid programs": {"gain capabilities": 1, "change no uid": 1}},
        "memory": {"shared mappings": {"common to several": 1}},
    }
    assert ("  worker    bounding set chown (1), empty (1); set-uid programs change no uid (1), gain capabilities (1)"
            in lines)


def test_memory_of_one_identity_and_a_parser_that_has_been_granted_a_uid(planted):
    found, _ = seen(planted, one=keeping("memory"), maps=[("parser", f"{ONE} {ONE} 1", f"{ONE} {ONE} 1")])
    assert found["memory"] == {"shared mappings": {"one identity's": 1}}
    assert found["parser"]["uids mapped"] == {"one": 1}


def test_a_real_server_has_what_it_says_at_its_start(servers, tree):
    sites = servers.user_sites(3)
    other = accounts.account(5)
    sites[0].lines = (f"Alias /inner {tree.docroot(other)}",
                      f'<Location "/inner">\nAssignUserID {other.name} {other.name}\n</Location>')
    sites[1].lines, sites[2].lines = ("SetUidPrograms On",), ("NoNewPrivileges On",)
    server = servers.make(Plan("itk2", sites)).start()
    running = [RunningRequest(server, site.name) for site in sites[1:]]
    for one in running:
        one.begun()
    found = look(server.master.pid, "--set-uid-programs", accounts.account(1).name).whole["protections"]
    assert [one.finish().status for one in running] == [200, 200]
    assert "ITK2111: listeners: system calls filtered, files hidden" in server.log()
    assert found["listener"]["system calls"] == {"filtered": 1} and found["listener"]["bounding set"] == {"empty": 1}
    assert "ITK2212: parsers uid" in server.log()
    assert set(found["parser"]["user namespace"]) == {"own"} and set(found["parser"]["uids mapped"]) == {"none"}
    assert set(found["worker"]["set-uid programs"]) == {"gain capabilities", "change no uid"}
    assert "ITK2021: shared memory that is each identity's own, " in server.log()
    assert set(found["memory"]["shared mappings"]) <= {"one identity's", "none"}


def test_the_page_names_lines_and_protections_that_there_are():
    section = (TOP / "docs/PRIVILEGES.md").read_text().split("## Which line says")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| ")]
    del rows[0]
    ids = set(re.findall(r'"(ITK2\d{3})"', (TOP / "server/mpm/itk2/httpd/log_lines.h").read_text()))
    named = set(re.findall(r"ITK2\d{3}", section))
    assert len(rows) >= 8 and named <= ids, named - ids
    shown = {name for protections in KEPT.values() for name in protections}
    told = {name for row in rows for name in shown if name in row[3]}
    assert told == shown, shown - told
