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
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        return int(re.search(rf"^{what}:\s+(\d+)", text, re.M).group(1))
    except (OSError, AttributeError):
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
