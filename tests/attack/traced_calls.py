"""What a server's processes ask of the kernel, as strace tells it: {how a call is told from others: the roles that made it}."""
import re

# Of these the kind is in an argument.
KINDS = {"prctl": r"prctl\((PR_\w+)", "keyctl": r"keyctl\((KEYCTL_\w+)", "ioctl": r"ioctl\(\d+, (\w+)",
         "setsockopt": r"setsockopt\(\d+, \w+, (\w+)", "fcntl": r"fcntl\(\d+, (F_\w+)", "madvise": r"madvise\(\w+, \w+, (\w+)",
         "futex": r"futex\(\w+, (\w+)"}
LINE = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$")
WRITTEN = re.compile(r'openat\(\w+, "(/[^"]*)", [\w|]*(?:O_WRONLY|O_RDWR)')


def kind_of(name, line):
    if name == "ioctl" and "0x66, 0x11," in line:
        return "ioctl PROCMAP_QUERY"  # as newer versions of strace call it
    if name in KINDS:
        found = re.search(KINDS[name], line)
        return f"{name} {found.group(1)}" if found else name
    if name in ("clone", "clone3", "unshare") and (found := re.search(r"CLONE_NEW\w+", line)):
        return f"{name} {found.group(0)}"
    if name == "openat" and (found := WRITTEN.search(line)):
        return f"openat {found.group(1).rsplit('/', 1)[1]}"
    if name == "mmap" and (found := re.search("MAP_SHARED|MAP_FIXED", line)) and "PROT_WRITE" in line:
        return f"mmap {found.group(0)}"
    return name


class Trace:
    """The calls of each process of one run."""

    def __init__(self, path):
        self.calls, self.parents, self.programs = {}, {}, {}
        pending = {}
        for line in path.read_text(errors="replace").splitlines():
            found = LINE.match(line)
            if not found:
                continue
            pid, resumed, name, _ = found.groups()
            pid = int(pid)
            text = pending.pop(pid, "") + line if resumed else line
            if not resumed:
                self.calls.setdefault(pid, set()).add(kind_of(name, line))
                if "<unfinished" in line:
                    pending[pid] = line
            name = resumed or name
            if name in ("clone", "clone3", "fork", "vfork") and (child := re.search(r"= (\d+)$", line)):
                self.parents[int(child.group(1))] = (pid, text)
            if name == "execve" and line.endswith("= 0") and (program := re.search(r'execve\("([^"]+)"', text)):
                self.programs[pid] = program.group(1)

    def below(self, master):
        """The calls of all that the master has forked, and of what these have."""
        found, known = {}, {master}
        for child, (parent, _) in self.parents.items():
            if parent in known:
                known.add(child)
                for call in self.calls.get(child, ()):
                    found.setdefault(call, set()).add(child)
        return found
