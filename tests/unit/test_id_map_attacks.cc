// Claims about os/id_map: what hostile code in a parser, before and after its grant, and an accomplice beside it, try in
// vain. Each attempt is seen to succeed where nothing stands against it.
#include "intruding.h"

#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/nsfs.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <cstring>

using namespace itk2;
using namespace itk2::os;

namespace {

bool set_capability(unsigned capability) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
    data[0].permitted = data[0].effective = 1U << capability | 1U << CAP_SETUID | 1U << CAP_SETGID;
    return syscall(SYS_capset, &header, data) == 0;
}

// Whether this process can say that it is someone else.
long claim_to_be(uid_t uid) {
    int ends[2];
    claim(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0);
    char byte = 0;
    iovec part{&byte, 1};
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof(ucred))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = room;
    message.msg_controllen = sizeof room;
    cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_CREDENTIALS;
    header->cmsg_len = CMSG_LEN(sizeof(ucred));
    const ucred who{getpid(), uid, uid};
    memcpy(CMSG_DATA(header), &who, sizeof who);
    const long answer = sendmsg(ends[0], &message, 0);
    const int error = errno;
    close(ends[0]);
    close(ends[1]);
    errno = error;
    return answer < 0 ? -1 : 0;
}

void a_parser_can_be_nobody_before_its_grant(void **) {
    NEEDS_ROOT();
    LivingParser parser(
        [] {
            for (const uid_t uid : {uid_t{0}, user, parser_uid, uid_t{65534}}) {
                claim_refused(setresuid(uid, uid, uid), EINVAL);
                claim_refused(setreuid(uid, uid), EINVAL);
                claim_refused(setuid(uid), EINVAL);
                claim_refused(seteuid(uid), EINVAL);
                setfsuid(uid);
                claim_refused(setresgid(uid, uid, uid), EINVAL);
                claim_refused(setgid(uid), EINVAL);
                setfsgid(uid);
                claim_refused(claim_to_be(uid), EINVAL);
                const gid_t one = uid;
                claim_refused(setgroups(1, &one), EPERM);
            }
            claim_refused(setgroups(0, nullptr), EPERM);
        },
        nothing);
    claim(status_line("Uid", parser.proc("status")) == four(parser_uid));
    claim(status_line("Gid", parser.proc("status")) == four(parser_gid));
    // The control: with the same two capabilities, but in the master's namespace, all of it works.
    holds_in_child([] {
        claim_ok(become_spare(parser_uid, parser_gid, getppid()));
        const gid_t root = 0;
        claim(claim_to_be(0) == 0 && setgroups(1, &root) == 0 && setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
    });
}

void a_parser_makes_no_namespace_inside_its_own(void **) {
    NEEDS_ROOT();
    const auto cannot = [] {
        claim_refused(unshare(CLONE_NEWUSER), EPERM);
        claim_refused(clone_into_namespace(), EPERM);
        for (const int kind : {CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP})
            claim_refused(unshare(kind), EPERM);
    };
    LivingParser parser(cannot, cannot);
    claim(write_file(parser.proc("gid_map"), "64804 64804 1")); // half a grant
    parser.go_on();
    holds_with_grant(alice, [&] {
        cannot();
        claim(setresgid(group, group, group) == 0);
        cannot();
    });
    // The control: anybody else can.
    holds_as(parser_uid, parser_gid, [] { claim(clone_into_namespace() == 0 && unshare(CLONE_NEWUSER) == 0); });
}

void a_parser_cannot_write_its_own_map(void **) {
    NEEDS_ROOT();
    LivingParser parser(
        [] {
            claim(!can_open("/proc/self/uid_map", O_RDWR) && errno == EACCES);
            claim(prctl(PR_SET_DUMPABLE, 1) == 0); // which makes it the owner of its files
            for (const char *map : {"/proc/self/uid_map", "/proc/self/gid_map"}) {
                for (const char *text : {"0 0 1", "64801 64801 1", "0 64801 1", "0 64802 1", "64803 64803 1"}) {
                    const Fd file{open(map, O_RDWR | O_CLOEXEC)};
                    claim(file.is_open());
                    claim_refused(write(file.get(), text, strlen(text)), EPERM);
                }
            }
            claim(!can_open("/proc/self/setgroups", O_WRONLY) && errno == EACCES);
            claim(open("/proc/self/uid_map", O_RDWR) >= 0); // stays open, for root to be tricked into
        },
        nothing);
    // Who opened it counts, not who writes.
    const Fd process{static_cast<int>(syscall(SYS_pidfd_open, parser.pid(), 0))};
    bool is_found = false;
    for (int number = 0; number < 100; number++) {
        const Fd file{static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), number, 0))};
        char path[64] = "";
        if (!file.is_open()) continue;
        const ssize_t length = readlink(("/proc/self/fd/" + std::to_string(file.get())).c_str(), path, sizeof path - 1);
        if (length < 7 || strncmp(path + length - 7, "uid_map", 7) != 0) continue;
        is_found = true;
        claim_refused(write(file.get(), "0 0 1", 5), EPERM);
    }
    assert_true(is_found);
    claim_ok(write_grant(parser.pid(), alice)); // the control: root can; and nothing of the above was in the way
    // Another: whoever makes his namespace himself maps himself.
    holds_as(parser_uid, parser_gid,
             [] { claim(unshare(CLONE_NEWUSER) == 0 && write_file("/proc/self/uid_map", "0 64801 1")); });
}

void a_parser_enters_no_other_namespace(void **) {
    NEEDS_ROOT();
    LivingParser other;
    Beside accomplice([] {
        be_ordinary(user, group);
        claim(unshare(CLONE_NEWUSER) == 0);
    });
    // Even handed to it.
    const Fd namespaces[] = {open_namespace("/proc/self/"), open_namespace(other.proc("")),
                             open_namespace(accomplice.proc(""))};
    LivingParser parser(
        [&] {
            for (const Fd &name_space : namespaces) claim(enter_by_descriptor(name_space) == EPERM);
            claim(enter_by_pidfd(other.pid()) == EPERM && enter_by_pidfd(accomplice.pid()) == EPERM);
            const Fd own = open_namespace("/proc/self/");
            claim(own.is_open() && enter_by_descriptor(own) == EINVAL);
            // Nor does it find the way up.
            claim_refused(ioctl(own.get(), NS_GET_PARENT), EPERM);
            claim(!open_namespace("/proc/1/").is_open());
            const Fd mounts{open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC)};
            claim_refused(ioctl(mounts.get(), NS_GET_USERNS), EPERM);
        },
        nothing);
    // The control: root can enter them.
    for (const Fd *name_space : {&namespaces[1], &namespaces[2]})
        holds_in_child([&] { claim(enter_by_descriptor(*name_space) == 0); });
    holds_in_child([&] { claim(enter_by_pidfd(other.pid()) == 0); });
}

void a_parser_looks_into_no_other(void **) {
    NEEDS_ROOT();
    LivingParser other;
    LivingParser careless([] { claim(prctl(PR_SET_DUMPABLE, 1) == 0); }, nothing);
    Beside spare([] { claim_ok(become_spare(parser_uid, parser_gid, getppid())); });
    Beside ordinary([] { be_ordinary(parser_uid, parser_gid); });
    LivingParser parser(
        [&] {
            claim_closed_to_me(other);
            for (const pid_t pid : {careless.pid(), spare.pid(), ordinary.pid()}) {
                claim(look_by_ptrace(pid) == EPERM && look_by_memory(pid) == EPERM);
                claim(look_by_descriptor(pid) == EPERM && enter_by_pidfd(pid) == EPERM);
            }
            // What is left to it.
            claim(kill(other.pid(), 0) == 0);
        },
        nothing);
    // The control: without a namespace between them, one uid is enough.
    holds_as(parser_uid, parser_gid, [&] {
        claim(look_by_ptrace(ordinary.pid()) == 0 && look_by_memory(ordinary.pid()) == 0);
        claim(look_by_descriptor(ordinary.pid()) == 0);
        claim(look_by_ptrace(spare.pid()) == EPERM);
    });
}

void a_parser_has_no_power_of_root(void **) {
    NEEDS_ROOT();
    char folder[] = "/tmp/itk2-id-map-XXXXXX";
    assert_non_null(mkdtemp(folder));
    const std::string device = std::string(folder) + "/null";
    const auto attempts = [&](auto take) {
        take(mount("none", folder, "tmpfs", 0, nullptr));
        take(syscall(SYS_fsopen, "tmpfs", 0) >= 0 ? 0 : -1);
        take(mknod(device.c_str(), S_IFCHR | 0600, makedev(1, 3)));
        take(chroot(folder));
        take(sethostname("", 0));
        take(prctl(PR_SET_SECUREBITS, 0));
        take(prctl(PR_CAPBSET_DROP, CAP_SETUID));
        take(setpriority(PRIO_PROCESS, 0, -1));
    };
    LivingParser parser(
        [&] {
            claim(chmod(folder, 0777) < 0);
            attempts([](long answer) { claim(answer == -1 && (errno == EPERM || errno == EACCES)); });
            for (unsigned capability = 0; capability < 31; capability++)
                if (capability != CAP_SETUID && capability != CAP_SETGID) claim(!set_capability(capability));
            claim_refused(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0), EPERM);
            claim_refused(syscall(SYS_keyctl, KEYCTL_GET_PERSISTENT, 0, KEY_SPEC_PROCESS_KEYRING), EINVAL);
            claim_refused(syscall(SYS_keyctl, KEYCTL_SESSION_TO_PARENT), EPERM);
        },
        nothing);
    // The control: root can do each of these things.
    holds_in_child([&] {
        claim(unshare(CLONE_NEWNS | CLONE_NEWUTS) == 0 &&
              mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
        attempts([](long answer) { claim(answer == 0); });
    });
    rmdir(folder);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_parser_can_be_nobody_before_its_grant),
        cmocka_unit_test(a_parser_makes_no_namespace_inside_its_own),
        cmocka_unit_test(a_parser_cannot_write_its_own_map),
        cmocka_unit_test(a_parser_enters_no_other_namespace),
        cmocka_unit_test(a_parser_looks_into_no_other),
        cmocka_unit_test(a_parser_has_no_power_of_root),
    };
    return cmocka_run_group_tests_name("id map, attacks from a parser", tests, nullptr, nullptr);
}
