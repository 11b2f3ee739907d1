"""The witness for cgroups: what the kernel says of them, in version 2 or version 1. Reads only."""
import os
from pathlib import Path

# What the limits are called: version 1, version 2.
FILES = {"memory": ("memory.limit_in_bytes", "memory.max"), "cpu": ("cpu.cfs_quota_us", "cpu.max"),
         "weight": ("cpu.shares", "cpu.weight"), "processes": ("pids.max", "pids.max")}
CONTROLLERS = {"memory": "memory", "cpu": "cpu", "weight": "cpu", "processes": "pids"}


def _mounts():
    """{controller, or "" for version 2: (mount point, the hierarchy's root as the mount shows it)}."""
    found = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ")
        root, point = before.split()[3:5]
        kind, _, options = after.split()[:3]
        if kind == "cgroup2":
            found.setdefault("", (point, root))
        elif kind == "cgroup":
            for option in options.split(","):
                found.setdefault(option, (point, root))
    return found


def is_version_2():
    point, _ = _mounts().get("", ("/nowhere", ""))
    try:
        return {"memory", "cpu", "pids"} <= set(Path(point, "cgroup.controllers").read_text().split())
    except FileNotFoundError:
        return False


def directory_of(pid, controller):
    """The process's cgroup in the controller's hierarchy, as a directory."""
    wanted = "" if is_version_2() else controller
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if wanted in controllers.split(","):
            point, root = _mounts()[wanted]
            return Path(point) / path.removeprefix(root if root != "/" else "").lstrip("/")
    raise AssertionError(f"process {pid} is in no cgroup of {controller}")


def limit(pid, name):
    """The limit's first word, as the kernel writes it."""
    return (directory_of(pid, CONTROLLERS[name]) / FILES[name][is_version_2()]).read_text().split()[0]


def mount_points(*controllers):
    """Where these, or all, are mounted."""
    return [Path(point) for name, (point, _) in _mounts().items() if not controllers or name in controllers]


def all_of_servers():
    """Every directory that a server of ours has, or has left."""
    return sorted({Path(where) for point in set(mount_points()) for where, _, _ in os.walk(point)
                   if Path(where).name.startswith("itk2-")})
