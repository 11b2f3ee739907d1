"""A server at one moment: its processes with their roles, and the kernel's tables that go with them."""
from . import locks, processes, reading, sockets
from .roles import Accounts, role_of


class Stranger:
    """A process outside of the server that holds one of its sockets."""
    role, title = "stranger", ""

    def __init__(self, pid, descriptor):
        self.pid, self.started = pid, int(reading.stat_fields(pid)[19])
        self.own = processes.Credentials("/proc/%d/status" % pid)
        self.descriptor = descriptor

    @property
    def name(self):
        return self.pid, self.started


class Instance:
    """`accounts`: {role: uid} of the server's own accounts as far as they are known; what is seen is added."""

    def __init__(self, master_pid, options, accounts):
        try:
            self.master = processes.Process(master_pid)
        except reading.Vanished:
            raise reading.CannotAudit("there is no process %d, or it ended" % master_pid)
        found = {master_pid: self.master}
        for pid in processes.below(master_pid):
            try:
                found[pid] = processes.Process(pid)
            except reading.Vanished:
                continue
        self.options = options
        self.processes = [found[pid] for pid in sorted(found)]
        self.accounts = Accounts({**options.accounts, **accounts}, self.processes, self.master)
        accounts.update(self.accounts.all())  # they are the same as long as the master lives
        self.foreign = options.foreign
        self._give_roles(found)
        # After the descriptors, so that what they lead to is in it.
        self.sockets = sockets.Table(master_pid)
        self.locks = locks.held()
        self.ports = {one.local for one in map(self.sockets.found.get, self._keys(self.master)) if one and one.listens}
        # The master keeps the writing ends of what it pipes logs to.
        piped_logs = {one.key for one in self.master.descriptors if one.kind == "pipe" and one.writes}
        self.log_pipes = piped_logs | self._read_by("scribe")
        # Pipes by which the server's own processes are told something.
        self.told = self._read_by("master", "listener", "scribe") - piped_logs
        self.masters_files = {one.key for one in self.master.descriptors if one.kind == "file"}
        self.strangers = list(self._find_strangers(found))

    def _give_roles(self, found):
        roles = {}

        def role(process):
            if process.pid not in roles:
                parent = found.get(process.parent) if process.pid != self.master.pid else None
                roles[process.pid] = role_of(process, self.master, role(parent) if parent else None, self.accounts,
                                             self.options)
            return roles[process.pid]
        for process in self.processes:
            process.role = role(process)

    def _read_by(self, *roles):
        return {one.key for process in self.of(*roles) for one in process.descriptors
                if one.kind == "pipe" and one.reads}

    @staticmethod
    def _keys(process):
        return [one.key for one in process.descriptors if one.kind == "socket"]

    def _find_strangers(self, found):
        listening = {key for key in self._keys(self.master) if self.sockets.found.get(key, _NONE).listens}
        for pid in reading.processes():
            if pid in found or pid == 1:  # the first process may hold them for the master
                continue
            try:
                for name in reading.names("/proc/%d/fd" % pid):
                    target = reading.link("/proc/%d/fd/%s" % (pid, name))
                    if target.startswith("socket:[") and int(target[8:-1]) in listening:
                        yield Stranger(pid, target)
                        break
            except (reading.Vanished, reading.CannotAudit):
                continue

    def of(self, *roles):
        return [process for process in self.processes if process.role in roles]

    def socket(self, process, descriptor):
        return self.sockets.of(process.pid, descriptor)

    def clients(self, process):
        """The descriptors of this process that are client connections of the server."""
        return [one for one in process.descriptors if one.kind == "socket" and self.is_client(one.key)]

    def is_client(self, key):
        known = self.sockets.found.get(key)
        return known is not None and known.family == "tcp" and not known.listens and known.local in self.ports

    def privileged(self, credentials, process):
        """Whether this thread holds a capability that counts outside of a namespace of its own."""
        return credentials.holds_any and process.namespaces.user == self.master.namespaces.user


_NONE = sockets.Socket("unknown")
