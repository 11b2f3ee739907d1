"""What the processes of a server use: processor time and memory, by role."""
import re
from pathlib import Path

from itk2_testing import proc


def processor_us(processes):
    """Microseconds that these have run for, all together."""
    total = 0
    for process in processes:
        try:
            total += int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[0])
        except (OSError, IndexError):
            pass
    return total / 1000


def rollup(process, what):
    """KiB of smaps_rollup: Pss, Private_Dirty ...; None when it has ended."""
    try:
        return process.rollup(what)
    except (OSError, proc.Vanished):
        return None


def private_kib(process):
    return (rollup(process, "Private_Dirty") or 0) + (rollup(process, "Private_Clean") or 0)


def below(pids):
    """These processes and all below them, that live."""
    found = [proc.Process.of(pid) for pid in pids]
    for pid in pids:
        found += proc.descendants(pid)
    return [process for process in found if process.alive()]


def of(contender):
    pids = [contender.server.master.pid] + ([contender.fpm.process.pid] if contender.fpm else [])
    return below(pids)


def slab_bytes():
    """What the kernel has in its own objects: sockets, files, epoll's items."""
    return int(re.search(r"^Slab:\s+(\d+)", Path("/proc/meminfo").read_text(), re.M).group(1)) * 1024


def _use(header, path):
    """In whose words a mapping is accounted for, by a line of smaps."""
    if path.startswith(("/memfd:", "/dev/zero", "/SYSV", "/dev/shm")) or header[1][3] == "s":
        return "shared memory of modules, the scoreboard"
    if path.startswith("/"):
        return "programs and libraries"
    return "stack" if path == "[stack]" else "heap and other memory of its own"


def shares_by_use(processes):
    """MiB of all of them together (PSS), by what the memory is for; what each has written to (Private_Dirty) apart from
    what it still shares with the process it was forked from."""
    found = {}
    for process in processes:
        try:
            text = Path(f"/proc/{process.pid}/smaps").read_text()
        except OSError:
            continue
        for mapping in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", text, flags=re.M)[1:]:
            header = mapping.split("\n", 1)[0].split(maxsplit=5)
            use = _use(header, header[5] if len(header) > 5 else "")
            sizes = dict(re.findall(r"^(\w+):\s+(\d+) kB", mapping, re.M))
            dirty = 0 if use.startswith("shared") else int(sizes.get("Private_Dirty", 0))
            found[use] = found.get(use, 0) + (int(sizes.get("Pss", 0)) - dirty) / 1024
            if dirty:
                written = f"{use}, written to by each"
                found[written] = found.get(written, 0) + dirty / 1024
    return found
