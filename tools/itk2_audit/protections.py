"""Which protections are in force, role by role, as the kernel shows them: what the server's start lines say, seen from
outside. No judgement: that is for the checks."""
from .credentials import shown
from .namespaces import mapped
from .sharing import Holders

ORDER = ("listener", "scribe", "spare", "parser", "worker")


def of(instance):
    """{role: {protection: {state: how many processes}}}; of memory: how many mappings that can be written."""
    found = {}
    for role in ORDER:
        for process in instance.of(role):
            for protection, state in _of(role, process, instance.master):
                states = found.setdefault(role, {}).setdefault(protection, {})
                states[state] = states.get(state, 0) + 1
    found["memory"] = {"shared mappings": _memory(instance)}
    return found


def _of(role, process, master):
    own = process.own
    yield "bounding set", "empty" if not own.sets["bounding"] else shown(own.sets["bounding"])
    if role == "listener":
        yield "system calls", "filtered" if own.filters > master.own.filters else "all"
        yield "new privileges", "refused" if own.no_new_privileges else "not refused"
    if role == "parser":
        yield "user namespace", "own" if process.namespaces.user != master.namespaces.user else "the master's"
        yield "uids mapped", _mapped(process) if process.namespaces.user != master.namespaces.user else "all"
    if role == "worker":
        yield "set-uid programs", _set_uid_programs(own)


def _mapped(process):
    uids = mapped(process.namespaces.uid_map)
    return "many" if uids is None else {0: "none", 1: "one"}.get(len(uids), "many")


def _set_uid_programs(own):
    if own.no_new_privileges:
        return "change no uid"
    return "gain capabilities" if own.sets["bounding"] else "gain no capability"


def _memory(instance):
    """What the master alone could share with an identity counts as that identity's."""
    holders = Holders()
    for process in instance.processes:
        for key, mapping in process.mappings.items():
            holders.add(key, process, mapping)
    states = {}
    for parties in holders.found.values():
        state = "one identity's" if len(parties) == 1 else "common to several"
        states[state] = states.get(state, 0) + 1
    return states or {"none": 0}


def lines(found):
    """Each role on a line; how many processes where they differ."""
    width = max(map(len, found))
    for role, protections in found.items():
        yield "%s  %s" % (role.ljust(width), "; ".join(
            "%s %s" % (name, _states(states, role == "memory")) for name, states in protections.items()))


def _states(states, counted):
    if len(states) == 1 and not counted:
        return next(iter(states))
    return ", ".join("%s (%d)" % (state, states[state]) for state in sorted(states))
