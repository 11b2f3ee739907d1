"""Memory of a process that others can have too: shared mappings that can be written, by device and inode."""
from . import reading


class Mapping:
    def __init__(self, key, path, writable):
        self.key, self.path, self.writable = key, path, writable


def shared(pid):
    """{(device, inode): Mapping} of all shared mappings that are, or can be made, writable by this process."""
    found, unsure = {}, False
    for line in reading.text("/proc/%d/maps" % pid).splitlines():
        words = line.split(None, 5)
        if len(words) < 5 or words[1][3] != "s":
            continue
        writable = "w" in words[1]
        unsure = unsure or not writable
        _keep(found, words, writable)
    if unsure:
        _ask_closely(pid, found)
    return {key: one for key, one in found.items() if one.writable}


def _keep(found, words, writable):
    key = (words[3], words[4])
    before = found.get(key)
    if before is None or (writable and not before.writable):
        found[key] = Mapping(key, words[5] if len(words) > 5 else "", writable)


def _ask_closely(pid, found):
    """A mapping without the right to write may be given it by mprotect(): VmFlags has "mw" then."""
    words = None
    for line in reading.text("/proc/%d/smaps" % pid).splitlines():
        head = line.split(None, 5)
        if len(head) >= 5 and "-" in head[0] and len(head[1]) == 4:
            words = head
        elif line.startswith("VmFlags:") and words and words[1][3] == "s":
            _keep(found, words, "mw" in line.split())
