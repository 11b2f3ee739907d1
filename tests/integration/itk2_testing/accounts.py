"""The 100 test users itk2t000 to itk2t099, each with a group of its own name and the same number.

Made once per machine, kept between runs. `python3 -m itk2_testing.accounts --clean` removes them.
Every third one is also in the group itk2extra, so that supplementary groups are seen to be right.
"""
import grp
import pwd
import subprocess
import sys
from dataclasses import dataclass

COUNT = 100
FIRST_ID = 30000
EXTRA_GROUP = "itk2extra"
EXTRA_GID = 30500


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int
    groups: tuple  # supplementary groups with the own one, sorted: what getgroups() is to say


def account(number):
    """The test user of this number; ensure() must have run."""
    uid = FIRST_ID + number
    groups = [uid] + ([EXTRA_GID] if number % 3 == 0 else [])
    return Account(f"itk2t{number:03}", uid, uid, tuple(sorted(groups)))


def accounts(count=COUNT):
    return [account(number) for number in range(count)]


def _run(*command):
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)


def _missing(table, key):
    try:
        table(key)
    except KeyError:
        return True
    return False


def ensure():
    """Makes what is missing. Needs root."""
    if _missing(grp.getgrnam, EXTRA_GROUP):
        _run("groupadd", "-g", str(EXTRA_GID), EXTRA_GROUP)
    for number, user in enumerate(accounts()):
        if not _missing(pwd.getpwnam, user.name):
            assert pwd.getpwnam(user.name).pw_uid == user.uid, f"{user.name} has another uid than {user.uid}"
            continue
        _run("groupadd", "-f", "-g", str(user.gid), user.name)
        extra = ["-G", EXTRA_GROUP] if number % 3 == 0 else []
        _run("useradd", "-M", "-N", "-d", "/nonexistent", "-s", "/usr/sbin/nologin", "-u", str(user.uid),
             "-g", str(user.gid), *extra, user.name)


def clean():
    for user in accounts():
        if not _missing(pwd.getpwnam, user.name):
            _run("userdel", user.name)
        if not _missing(grp.getgrnam, user.name):
            _run("groupdel", user.name)
    if not _missing(grp.getgrnam, EXTRA_GROUP):
        _run("groupdel", EXTRA_GROUP)


if __name__ == "__main__":
    clean() if "--clean" in sys.argv else ensure()
