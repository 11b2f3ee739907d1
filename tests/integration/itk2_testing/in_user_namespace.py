"""Runs a command as root of a user namespace that has all ids; where LIMIT is given, no more than so many further user
namespaces may be made in it.

python3 in_user_namespace.py LIMIT|- COMMAND [ARGUMENT...]
"""
import ctypes
import os
import sys

CLONE_NEWUSER = 0x10000000
ALL_IDS = "0 0 65536\n"


def enter(ready, mapped, limit):
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    os.write(ready, b"x")
    assert os.read(mapped, 1) == b"x"
    os.setgid(0)
    os.setuid(0)
    if limit != "-":
        with open("/proc/sys/user/max_user_namespaces", "w") as file:
            file.write(limit)


def main():
    limit, *command = sys.argv[1:]
    (ready, tell_ready), (mapped, tell_mapped) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        enter(tell_ready, mapped, limit)
        os.execvp(command[0], command)
    os.close(tell_ready)
    if os.read(ready, 1) == b"x":
        for name in ("gid_map", "uid_map"):
            with open(f"/proc/{pid}/{name}", "w") as file:
                file.write(ALL_IDS)
        os.write(tell_mapped, b"x")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
