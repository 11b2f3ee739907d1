"""Ids, groups and capability sets of one thread."""
from . import reading

NAMES = ("chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service "
         "net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct "
         "sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write "
         "audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf "
         "checkpoint_restore").split()
SET_IDS = 1 << NAMES.index("setgid") | 1 << NAMES.index("setuid")
SETS = ("inheritable", "permitted", "effective", "bounding", "ambient")
KEYS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def shown(bits):
    """A capability set in words; a long one as its size."""
    names = [NAMES[number] if number < len(NAMES) else "#%d" % number for number in range(64) if bits >> number & 1]
    return "none" if not names else "+".join(names) if len(names) <= 4 else "%d of them" % len(names)


class Credentials:
    """What /proc/PID/task/TID/status says of one thread."""

    def __init__(self, path):
        found = reading.fields(path)
        try:
            self.uids, self.gids = (tuple(int(word) for word in found[key].split()) for key in ("Uid", "Gid"))
            self.groups = tuple(sorted(int(word) for word in found["Groups"].split()))
            self.sets = {name: int(found[key], 16) for name, key in zip(SETS, KEYS)}
            self.seccomp = int(found.get("Seccomp", "0"))
            self.filters = int(found.get("Seccomp_filters", self.seccomp // 2))
            self.no_new_privileges = int(found.get("NoNewPrivs", "0"))
        except (KeyError, ValueError):
            raise reading.Vanished(path)  # cut short: it was ending
        self.state = found.get("State", "?")[:1]

    @property
    def uid(self):
        return self.uids[1]

    @property
    def gid(self):
        return self.gids[1]

    @property
    def holds_any(self):
        """Whether a capability can be used, or made usable, without exec."""
        return bool(self.sets["permitted"] | self.sets["effective"] | self.sets["ambient"])

    def signature(self):
        """What changes when a process becomes somebody."""
        return self.uids, self.gids, self.groups, tuple(self.sets[name] for name in SETS)

    def short(self):
        """The capability sets in one word or two."""
        if not any(self.sets.values()):
            return "-"
        usable = self.sets["permitted"] | self.sets["effective"]
        parts = [shown(usable)] if usable else []
        for name, label in (("inheritable", "inh"), ("ambient", "amb"), ("bounding", "bnd")):
            if self.sets[name]:
                parts.append("%s:%s" % (label, shown(self.sets[name])))
        return " ".join(parts).replace(" of them", "")
