"""Runs a command as systemd would run a service with the settings of these files, as far as that can be done without it:
bounding set, mounts, refused calls, limit of files. A setting that it can't imitate is an error.

python3 as_service.py FILE... -- COMMAND [ARGUMENT...]
"""
import ctypes
import os
import re
import resource
import struct
import subprocess
import sys

CAPABILITIES = ("chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable "
                "net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot "
                "sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease "
                "audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read "
                "perfmon bpf checkpoint_restore").split()
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
BUT_USER = NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWPID | NEWNET
EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97
SET_IDS = 0o6000
# Delegate: tests of limits make their cgroups. Environment: is apache2ctl's.
ELSEWHERE = {"Delegate", "Environment"}

libc = ctypes.CDLL(None, use_errno=True)


def settings(files):
    """[(name, value)] in their order."""
    return [tuple(line.strip().split("=", 1)) for file in files for line in open(file)
            if "=" in line and not line.startswith("#")]


def bounding_set(found):
    """The names that stay, by systemd's rules: a list adds, a list after ~ takes away, nothing empties."""
    kept = None
    for value in [value for name, value in found if name == "CapabilityBoundingSet"]:
        named = {word.removeprefix("CAP_").lower() for word in value.lstrip("~").split()}
        assert named <= set(CAPABILITIES), named - set(CAPABILITIES)
        if not value:
            kept = set()
        elif value.startswith("~"):
            kept = (set(CAPABILITIES) if kept is None else kept) - named
        else:
            kept = (kept or set()) | named
    kept = set(CAPABILITIES) if kept is None else kept
    implied = {"ProtectKernelModules": "sys_module", "ProtectKernelLogs": "syslog"}
    return kept - {implied[name] for name, value in found if name in implied and value == "yes"}


class Rules:
    """Calls that fail: (call, argument or None, "any bit of" or "none of", values, error)."""

    def __init__(self):
        self.found, self.native_only = [], False

    def fail(self, *calls, argument=None, bits=0, but=(), equal=(), error=EPERM):
        self.found += [(call, argument, bits, but, equal, error) for call in calls]


def understand(found, rules):
    """Takes each setting into the rules, or the list of mounts; gives [function] to be called as root."""
    todo = []
    for name, value in found:
        if name in ELSEWHERE or name == "CapabilityBoundingSet":
            continue
        if name == "LimitNOFILE":
            # A machine's own limit may be lower, and not to be raised.
            most = min(int(value), resource.getrlimit(resource.RLIMIT_NOFILE)[1])
            todo.append(lambda most=most: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)))
        elif (name, value) == ("ProtectHostname", "yes"):
            todo.append(lambda: unshare(NEWUTS))
            rules.fail("sethostname", "setdomainname")
        elif (name, value) == ("ProtectKernelLogs", "yes"):
            rules.fail("syslog")
        elif (name, value) == ("ProtectKernelModules", "yes"):
            rules.fail("init_module", "finit_module", "delete_module")
        elif (name, value) == ("ProtectKernelTunables", "yes"):
            todo.append(lambda: read_only("/proc/sys", "/sys"))
        elif (name, value) == ("RestrictRealtime", "yes"):
            rules.fail("sched_setscheduler", argument=1, equal=(1, 2, 6))
        elif (name, value) == ("ProtectSystem", "full"):
            todo.append(lambda: read_only("/usr", "/boot", "/etc"))
        elif (name, value) == ("RestrictNamespaces", "user"):
            rules.fail("unshare", "clone", argument=0, bits=BUT_USER)
            rules.fail("setns", argument=1, bits=BUT_USER)
            rules.fail("setns", argument=1, equal=(0,))
            rules.fail("clone3", error=ENOSYS)
        elif name == "RestrictAddressFamilies":
            rules.fail("socket", argument=0, but=tuple(FAMILIES[word] for word in value.split()), error=EAFNOSUPPORT)
        elif (name, value) == ("LockPersonality", "yes"):
            rules.fail("personality", argument=0, but=(0, 0xffffffff))
        elif (name, value) == ("RestrictSUIDSGID", "yes"):
            rules.fail("chmod", "fchmod", "mkdir", argument=1, bits=SET_IDS)
            rules.fail("fchmodat", "mkdirat", argument=2, bits=SET_IDS)
        elif (name, value) == ("SystemCallArchitectures", "native"):
            rules.native_only = True
        else:
            sys.exit(f"as_service: {name}={value} can't be imitated")
    return todo


def unshare(kind):
    if libc.unshare(kind) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def read_only(*places):
    """Not what is mounted below them."""
    for place in places:
        if not os.path.ismount(place):
            subprocess.run(["mount", "--bind", place, place], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)


def numbers():
    done = subprocess.run(["cc", "-E", "-dM", "-include", "sys/syscall.h", "-x", "c", "/dev/null"], check=True,
                          capture_output=True, text=True, timeout=60)
    return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", done.stdout)}


def program(rules, number_of):
    """The filter, as bytes."""
    load, equal, any_bit, give = 0x20, 0x15, 0x45, 0x06
    allow, fail = 0x7fff0000, 0x00050000

    def made(code, value, true=0, false=0):
        return struct.pack("<HBBI", code, true, false, value)
    native = {"x86_64": 0xc000003e, "aarch64": 0xc00000b7}[os.uname().machine]
    text = [made(load, 4), made(equal, native, 1, 0), made(give, fail | EPERM if rules.native_only else allow)]
    for call, argument, bits, but, equals, error in rules.found:
        if call not in number_of:
            continue  # one that this machine never had
        refused = made(give, fail | error)
        if argument is None:
            tests = []
        else:
            tests = [made(load, 16 + 8 * argument)]
            tests += [made(any_bit, bits, 0, 1)] if bits else []
            tests += [made(equal, value, len(but) - place, 0) for place, value in enumerate(but)]
            tests += [made(equal, value, len(equals) - 1 - place, 0 if place < len(equals) - 1 else 1)
                      for place, value in enumerate(equals)]
        block = tests + [refused]
        text += [made(load, 0), made(equal, number_of[call], 0, len(block)), *block]
    return text + [made(give, allow)]


def install(text):
    """As root, so that set-uid programs gain what they would."""
    room = ctypes.create_string_buffer(b"".join(text))
    filled = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(text), ctypes.addressof(room)))
    if libc.prctl(22, 2, ctypes.byref(filled), 0, 0) != 0:  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        raise OSError(ctypes.get_errno(), "seccomp")


def drop(kept):
    for number, name in enumerate(CAPABILITIES):
        if name not in kept and libc.prctl(24, number, 0, 0, 0) != 0:  # PR_CAPBSET_DROP
            raise OSError(ctypes.get_errno(), f"dropping {name}")


def main():
    end = sys.argv.index("--")
    found, rules = settings(sys.argv[1:end]), Rules()
    without = {word for word in os.environ.pop("ITK2_TEST_WITHOUT", "").split()}
    todo = understand(found, rules)
    filter_text = program(rules, numbers())
    unshare(NEWNS)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    for step in todo:
        step()
    install(filter_text)
    drop(bounding_set(found) - without)
    command = sys.argv[end + 1:]
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
