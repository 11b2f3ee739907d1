"""Folders that one user alone can enter, with an .htaccess he alone can read: who else serves from them, fails."""
import json
import os
import textwrap
from dataclasses import dataclass

from .sites import WHO_PHP

ECHO_PHP = """<?php
    $body = file_get_contents("php://input");
    header("Content-Type: text/plain");
    printf("%d %d %08x\\n", posix_geteuid(), strlen($body), crc32($body));
"""

# What a process is, and what a file that it makes is; its folder has a sub-folder made/ for everybody.
FACTS_PHP = """<?php
    header("Content-Type: application/json");
    $groups = array_values(array_unique(posix_getgroups()));
    sort($groups);
    $file = tempnam(__DIR__ . "/made", "f");
    $made = stat($file);
    unlink($file);
    $stat = file_get_contents("/proc/self/stat");
    $fields = explode(" ", substr($stat, strrpos($stat, ")") + 2));
    echo json_encode(["uids" => [posix_getuid(), posix_geteuid()], "gids" => [posix_getgid(), posix_getegid()],
                      "groups" => $groups, "made" => [$made["uid"], $made["gid"]], "nice" => (int)$fields[16],
                      "user_agent" => ini_get("user_agent"), "memory_limit" => ini_get("memory_limit"),
                      "pid" => getmypid(), "folder" => dirname($file) == __DIR__ . "/made"]);
"""


def write(path, text, owner, mode=0o400):
    path.write_text(textwrap.dedent(text))
    os.chown(path, owner.uid, owner.gid)
    path.chmod(mode)


def folder(path, owner, mode=0o700, htaccess=True, **files):
    """Makes it with who.php, index.php, echo.php, who.txt, all 0400 as the .htaccess that marks answers with the
    folder's name; further files by name, a "_" for the dot."""
    path.mkdir()
    write(path / "who.php", WHO_PHP, owner)
    write(path / "index.php", WHO_PHP, owner)
    write(path / "echo.php", ECHO_PHP, owner)
    write(path / "who.txt", f"{owner.uid} of {path.name}\n", owner)
    if htaccess:
        write(path / ".htaccess", f"Header always set X-Htaccess {path.name}\n", owner)
    for name, text in files.items():
        write(path / name.replace("_", "."), text, owner)
    os.chown(path, owner.uid, owner.gid)
    path.chmod(mode)
    return path


def open_folder(path):
    """A folder for everybody with facts.php, which says what the process is that runs it."""
    path.mkdir()
    (path / "made").mkdir()
    (path / "made").chmod(0o1777)
    (path / "facts.php").write_text(textwrap.dedent(FACTS_PHP))
    (path / "facts.php").chmod(0o644)
    path.chmod(0o755)
    return path


@dataclass(frozen=True)
class Facts:
    """What facts.php says."""
    uid: int
    gid: int
    groups: tuple
    nice: int
    user_agent: str
    memory_limit: str
    pid: int

    @classmethod
    def of(cls, answer):
        assert answer.status == 200, answer
        said = json.loads(answer.body)
        (real, effective), (real_group, effective_group) = said["uids"], said["gids"]
        assert real == effective and real_group == effective_group, said
        assert said["made"] == [effective, effective_group] and said["folder"], said
        return cls(effective, effective_group, tuple(said["groups"]), said["nice"], said["user_agent"],
                   said["memory_limit"], said["pid"])

    @property
    def ids(self):
        """uid, gid, and the groups with the gid, sorted."""
        return self.uid, self.gid, tuple(sorted({self.gid, *self.groups}))
