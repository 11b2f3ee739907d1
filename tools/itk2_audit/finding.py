"""What is checked, and one thing that is not as it should be."""

# name: (the promise it belongs to, what holds). docs/man/itk2-audit.8 explains the same list.
CHECKS = {
    "root": ("I1", "the master alone has uid 0, and programs that it, or a set-uid bit, makes root"),
    "master-client": ("I1", "the master holds no client connection"),
    "root-group": ("I2", "no process but the master has group 0"),
    "accounts": ("I2", "listener, spares and parsers have an account each that nobody else has"),
    "listener-account": ("I2", "all listeners run as one account"),
    "listener-ids": ("I2", "all four uids of a listener are one, its gids too"),
    "listener-groups": ("I2", "a listener has no supplementary group"),
    "spare-groups": ("I2", "a spare has no supplementary group"),
    "worker-capabilities": ("I3", "all five capability sets of every thread of a worker are empty"),
    "worker-ids": ("I3", "all four uids of a worker are one in every thread, its gids too"),
    "worker-groups": ("I3", "a worker's groups are those of its user"),
    "identity": ("I3", "a worker is one of the identities named"),
    "title": ("I3", "a process calls itself what its ids and program say"),
    "program-capabilities": ("I3", "what a worker has started holds no capability"),
    "client": ("I4", "client connections are with listener, parsers and workers"),
    "client-and-privilege": ("I4", "who holds a client connection holds no capability outside a namespace of its own"),
    "spare-capabilities": ("I4", "a spare holds SETUID and SETGID, permitted and effective, and nothing else"),
    "spare-ids": ("I4", "all four uids of a spare are one, its gids too"),
    "listener-capabilities": ("I4", "all five capability sets of a listener are empty"),
    "bystander-capabilities": ("I4", "all five capability sets of scribe, resolvers and tellers are empty"),
    "bystander-ids": ("I4", "all four uids of scribe, resolvers and tellers are one, its gids too"),
    "namespace": ("I4", "spares, scribe, resolvers and tellers are in the master's user namespace"),
    "parser-capabilities": ("I5", "a parser holds SETUID and SETGID at most, and has an empty bounding set"),
    "parser-ids": ("I5", "all four uids of a parser are one, its gids too"),
    "parser-namespace": ("I5", "a parser has a user namespace of its own"),
    "parser-map": ("I5", "a parser's namespace maps no uid, or one"),
    "worker-map": ("I5", "a worker's own namespace maps that worker's uid and groups and nothing else"),
    "namespace-owner": ("I5", "root has made these namespaces"),
    "namespace-parent": ("I5", "these namespaces are right below the master's"),
    "second-identity": ("I6", "a process is one identity in its life"),
    "second-life": ("I6", "a worker stays a worker"),
    "shared-memory": ("I7", "no memory is writable for two identities"),
    "shared-memory-file": ("I7", "no descriptor of memory is writable for two identities"),
    "shared-lock": ("I9", "no lock file is open for writing in two identities"),
    "held-lock": ("I9", "no identity holds a lock on a file that another has open"),
    "session": ("I10", "each process leads a session of its own"),
    "dumpable": ("I10", "no process lets its user look into its memory"),
    "listening": ("I11", "no process below the master listens but the listener"),
    "listening-stranger": ("I11", "no process outside the server holds its listening sockets"),
    "manifest": ("I12", "who is no worker holds what it needs and nothing else"),
    "device": ("I12", "no process holds a device"),
    "proc": ("I12", "no process holds a file of /proc"),
    "foreign-file": ("I12", "a worker holds no file that its user could not open, but logs to append to"),
    "shared-log": ("I12", "no log is writable, and so can be cut, for two identities; spares aside"),
    "shared-pipe": ("I12", "no pipe can be written by two identities"),
    "read-pipe": ("I12", "no process reads a pipe that others write"),
    "shared-socket": ("I12", "no socket is held by two identities"),
    "root-directory": ("I12", "a process has the master's root directory"),
    "channel": ("I13", "on the channel to the process above nothing can be sent"),
    "shared-connection": ("I15", "a client connection is held by one identity"),
    "worker-filter": ("I20", "a worker is under no filter of system calls"),
    "no-new-privileges": ("I20", "a worker can start set-uid programs"),
    "listener-filter": ("I22", "a listener is under a filter of system calls"),
}


class Finding:
    """`at_once`: never right, not even for a moment; others count when they last."""

    def __init__(self, process, check, wrong, right, at_once=False):
        self.process, self.check, self.wrong, self.right, self.at_once = process, check, wrong, right, at_once
        self.invariant = CHECKS[check][0]

    def key(self):
        return self.process.name, self.check, self.wrong

    def described(self):
        """For --json."""
        return {"pid": self.process.pid, "role": self.process.role, "uid": self.process.own.uid,
                "invariant": self.invariant, "check": self.check, "wrong": self.wrong, "right": self.right}
