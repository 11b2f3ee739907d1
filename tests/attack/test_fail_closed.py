"""Every call by which a process gives up what it could do is made to fail, in a whole server: nobody is served by a
process that is not what it should be, the log names the step, and no process is forked in a storm."""
import re
from dataclasses import dataclass

import pytest

from attacking import SITES, Target, plan
from failing_calls import (ASKED, CLONE_NEWUSER, DECIDED, START_SPARES, UNDECIDED, Call, Failing, decided_plan, wrapper)
from itk2_testing.waiting import poll
from traced_calls import Trace

ERRORS = ("EPERM", "ENOSYS", "EAGAIN")
NS_GET_OWNER_UID = 0xb704
PROCMAP_QUERY = 0xc0686611
OWN = SITES[2]


@dataclass(frozen=True)
class Step:
    """What fails, and the name that the log has for it. `seen` is how strace tells it from other calls."""
    seen: str
    call: Call
    name: str
    of: str = DECIDED


def prctl(option, number, name, of=DECIDED):
    return Step(f"prctl {option}", Call("prctl", 0, number), name, of)


STEPS = {
    "spare-setgroups": Step("setgroups", Call("setgroups"), "set-groups"),
    "spare-setresgid": Step("setresgid", Call("setresgid"), "set-gid"),
    "spare-setresuid": Step("setresuid", Call("setresuid"), "set-uid"),
    "worker-setgroups": Step("setgroups", Call("setgroups", 0, 1), "set-groups"),
    "worker-setresgid": Step("setresgid", Call("setresgid", 0, OWN.gid), "set-gid"),
    "worker-setresuid": Step("setresuid", Call("setresuid", 0, OWN.uid), "set-uid"),
    "capset": Step("capset", Call("capset"), "set-capabilities"),
    "capget": Step("capget", Call("capget"), "set-capabilities"),
    "setfsuid": Step("setfsuid", Call("setfsuid"), "verify-no-way-back"),
    "setfsgid": Step("setfsgid", Call("setfsgid"), "verify-no-way-back"),
    "close_range": Step("close_range", Call("close_range"), "close-descriptors"),
    "setsid": Step("setsid", Call("setsid"), "new-session"),
    "getsid": Step("getsid", Call("getsid"), "new-session"),
    "keyring": Step("keyctl KEYCTL_JOIN_SESSION_KEYRING", Call("keyctl", 0, 1), "new-keyring"),
    "keyring-number": Step("keyctl KEYCTL_GET_KEYRING_ID", Call("keyctl", 0, 0), "new-keyring"),
    "read-bounding": prctl("PR_CAPBSET_READ", 23, "verify-capabilities"),
    "drop-bounding": prctl("PR_CAPBSET_DROP", 24, "drop-bounding"),
    "secure-bits": prctl("PR_SET_SECUREBITS", 28, "set-securebits"),
    "read-secure-bits": prctl("PR_GET_SECUREBITS", 27, "set-securebits"),
    "keep-capabilities": prctl("PR_SET_KEEPCAPS", 8, "set-securebits"),
    "dumpable": prctl("PR_SET_DUMPABLE", 4, "set-dumpable"),
    "read-dumpable": prctl("PR_GET_DUMPABLE", 3, "set-dumpable"),
    "parent-death": prctl("PR_SET_PDEATHSIG", 1, "parent-death-signal"),
    "read-parent-death": prctl("PR_GET_PDEATHSIG", 2, "parent-death-signal"),
    "memory-need": Step("openat oom_score_adj", Call("openat", files="/proc/*/oom_score_adj"), "offer-memory"),
    "adopt-orphans": prctl("PR_SET_CHILD_SUBREAPER", 36, "adopt-orphans"),
    "read-adopting": prctl("PR_GET_CHILD_SUBREAPER", 37, "adopt-orphans"),
    "channel-socket": Step("socketpair", Call("socketpair"), "make-channel"),
    "channel-pipe": Step("pipe2", Call("pipe2"), "make-channel"),
    "channel-one-way": Step("shutdown", Call("shutdown"), "make-channel"),
    "fill-memory": Step("copy_file_range", Call("copy_file_range"), "copy-segments"),
    "sealed-memory": Step("memfd_create", Call("memfd_create"), "make-memfd"),
    "seals": Step("fcntl F_ADD_SEALS", Call("fcntl", 1, 1033), "seal-memfd"),
    "hide-files": Step("landlock_create_ruleset", Call("landlock_create_ruleset"), "hide-files"),
    "enter-landlock": Step("landlock_restrict_self", Call("landlock_restrict_self"), "hide-files"),
    "no-new-privileges": prctl("PR_SET_NO_NEW_PRIVS", 38, "hide-files"),
    "filter-calls": Step("seccomp", Call("seccomp"), "filter-calls"),
    "read-filter": prctl("PR_GET_SECCOMP", 21, "filter-calls"),
    "read-seals": Step("fcntl F_GET_SEALS", Call("fcntl", 1, 1034), "seal-memfd"),
    "read-nice-value": Step("getpriority", Call("getpriority"), "verify-allowance", UNDECIDED),
    "read-scheduler": Step("sched_getscheduler", Call("sched_getscheduler"), "verify-allowance", UNDECIDED),
    "read-processors": Step("sched_getaffinity", Call("sched_getaffinity"), "verify-allowance", UNDECIDED),
    "namespace": Step("clone CLONE_NEWUSER", Call("clone", 0, CLONE_NEWUSER, CLONE_NEWUSER), "new-namespace",
                      UNDECIDED),
    "enter-namespace": Step("setns", Call("setns"), "new-namespace", UNDECIDED),
    "namespaces-maker": Step("ioctl NS_GET_OWNER_UID", Call("ioctl", 1, NS_GET_OWNER_UID), "new-namespace", UNDECIDED),
    "shared-mappings": Step("ioctl PROCMAP_QUERY", Call("ioctl", 1, PROCMAP_QUERY), "verify-proc"),
    "uid-map": Step("openat uid_map", Call("openat", files="/proc/*/uid_map"), "write-uid-map", UNDECIDED),
    "gid-map": Step("openat gid_map", Call("openat", files="/proc/*/gid_map"), "write-gid-map", UNDECIDED),
    "granted-fchown": Step("fchown", Call("fchown"), "verify-ids", UNDECIDED),
    "granted-setgroups": Step("setgroups", Call("setgroups", 0, 1), "set-groups", UNDECIDED),
    "granted-setresgid": Step("setresgid", Call("setresgid", 0, SITES[1].gid), "set-gid", UNDECIDED),
    "granted-setresuid": Step("setresuid", Call("setresuid", 0, SITES[1].uid), "set-uid", UNDECIDED),
}
# Where a call's absence is a tier of its own: OPERATIONS.md, and test_kernel_matrix.py.
TIERS = {("hide-files", "ENOSYS"), ("filter-calls", "ENOSYS")}
TIERS |= {("read-filter", error) for error in ERRORS}
TIERS |= {(name, error) for name in ("keyring-number", "close_range") for error in ("EPERM", "ENOSYS")}
AT_A_TIME = 6  # after each wait: as many as MinSpareServers, and who is asked for
LONG_ENOUGH_MS = 800  # the fourth wait


@pytest.fixture
def start(servers, native, found):
    """Starts a server under which a call fails."""
    begun = []

    def begin(of, call, error):
        instance = servers.make(decided_plan() if of == DECIDED else plan("itk2", native))
        Target(instance, native, found)  # its pages
        instance.wrapper = wrapper(native, call, error)
        begun.append(Failing(instance))
        return begun[-1]
    yield begin
    for failing in begun:
        failing.end()


def waits(said):
    """How long births are put off, each time that they are."""
    return [int(word) for word in re.findall(r"ITK2(?:203|206|302): .*the next one in (\d+) ms", said)]


@pytest.mark.parametrize("name,error", [(name, error) for name in STEPS for error in ERRORS
                                        if (name, error) not in TIERS])
def test_a_step_that_fails_serves_nobody_and_is_named(start, name, error):
    step = STEPS[name]
    failing = start(step.of, step.call, error)
    site, path = ASKED[step.of]

    def is_seen():
        """It does not start, or its births are put off longer and longer."""
        assert not failing.served(path, site), f"served, though {name} fails: {failing.said()}"
        return failing.has_ended() or max(waits(failing.said()), default=0) >= LONG_ENOUGH_MS
    poll(is_seen, lambda: f"neither ends nor waits:\n{failing.said()}", 60)
    said = failing.said()
    lines = [line for line in said.splitlines() if re.search(r"ITK2\d{3}", line)]
    assert [line for line in lines if step.name in line], f"no line names {step.name}:\n{said}"
    births = said.count("ITK2401")
    assert births <= START_SPARES + AT_A_TIME * (1 + len(set(waits(said)))), f"{births} births:\n{said}"


# What a process asks for while it lives that takes nothing from it: where one of these fails, it knows less, or has less.
HARMLESS = set("""
accept4 access alarm arch_prctl bind brk chdir clock_gettime clock_nanosleep clone clone3 close connect dup dup2 dup3
epoll_create1 epoll_ctl epoll_pwait epoll_wait eventfd2 execve exit exit_group fchdir fdatasync flock fstat fsync ftruncate
futex getcwd getdents64 getegid geteuid getgid getgroups getpeername getpgrp getpid getppid getrandom getrlimit
getrusage getsockname getsockopt gettid gettimeofday getuid kill listen lseek madvise mmap mprotect mremap munmap nanosleep
newfstatat open openat pause poll ppoll pread64 prlimit64 pselect6 pwrite64 read readlink readlinkat readv recvfrom recvmsg
restart_syscall rseq rt_sigaction rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait select sendfile sendmmsg sendmsg
sendto set_robust_list set_tid_address setitimer sigaltstack socket splice stat statfs statx sysinfo tgkill times umask uname
wait4 waitid write writev
""".split())
KINDS_OF_HARMLESS = {f"fcntl F_{kind}" for kind in ("DUPFD", "DUPFD_CLOEXEC", "GETFD", "SETFD", "GETFL", "SETFL", "SETLK",
                                                    "SETLKW")}
KINDS_OF_HARMLESS |= {f"futex FUTEX_{kind}" for kind in ("WAKE_PRIVATE", "WAIT_PRIVATE", "WAKE", "WAIT")}
KINDS_OF_HARMLESS |= {"setsockopt SO_LINGER", "setsockopt TCP_NODELAY", "ioctl TCGETS", "mmap MAP_FIXED", "mmap MAP_SHARED",
                      "prctl PR_SET_NAME", "openat null"}


@pytest.fixture(scope="module")
def traced(module_servers, native, found, tmp_path_factory):
    """The calls of all processes that a master forks, from their birth on, while all kinds of sites are served."""
    path = tmp_path_factory.mktemp("trace") / "calls"
    instance = module_servers.make(plan("itk2", native, php=True))
    instance.wrapper = ("strace", "-f", "-qq", "-s", "64", "-o", str(path))
    target = Target(instance, native, found)
    instance.start("foreground")
    for _ in range(2):
        target.serves()
    master = instance.master.pid
    instance.stop()
    return Trace(path), master


def test_no_call_of_a_process_is_forgotten(traced):
    """Each call that a child of the master makes in a run that works is one of the steps above, or known to be harmless."""
    trace, master = traced
    calls = trace.below(master)
    assert len({pid for pids in calls.values() for pid in pids}) >= 6, "listener, spares, parsers, workers"
    known = {step.seen for step in STEPS.values()} | HARMLESS | KINDS_OF_HARMLESS
    unknown = " / ".join(sorted(set(calls) - known))
    assert unknown == ""


def test_every_step_is_one_that_is_taken(traced):
    trace, master = traced
    taken = set(trace.below(master)) | trace.calls[master]
    assert not {step.seen for step in STEPS.values()} - taken
