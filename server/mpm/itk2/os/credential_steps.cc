// What it is: see credential_steps.h.
#include "os/credential_steps.h"

#include "os/process.h"

#include <cap-ng.h>
#include <dirent.h>
#include <grp.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

namespace itk2::os {

// NOROOT: neither exec nor uid 0 brings a capability back. Ambient ones can't be raised. The fix-up at setuid stays
// on: all it does is drop, which helps where a drop of ours were forgotten.
static constexpr unsigned long secure_bits =
    SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

// libcap-ng's state is its thread's, and names the process that first used it: the master, in a forked child.
static void forget_inherited_state() { capng_setpid(static_cast<int>(syscall(SYS_gettid))); }

// Not by libcap-ng: its capng_apply() (0.8.3) answers 0 even where a drop has failed.
Result drop_bounding() {
    for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return failed(Step::drop_bounding);
    return success;
}

// The ambient set empties with the inheritable one.
Result set_capabilities(std::uint64_t set) {
    forget_inherited_state();
    capng_clear(CAPNG_SELECT_CAPS);
    for (unsigned capability = 0; capability < 64; capability++) {
        if ((set & bit(capability)) == 0) continue;
        const auto both = static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED);
        if (capng_update(CAPNG_ADD, both, capability) != 0) return failed(Step::set_capabilities);
    }
    return capng_apply(CAPNG_SELECT_CAPS) == 0 ? success : failed(Step::set_capabilities);
}

Result lock_secure_bits(AtIdChange wanted, SetUidPrograms programs) {
    const int before = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
    if (before < 0) return failed(Step::set_securebits);
    unsigned long bits = static_cast<unsigned long>(before);
    if (programs == SetUidPrograms::off) bits |= secure_bits;
    if (wanted == AtIdChange::keep_capabilities) bits |= SECBIT_KEEP_CAPS;
    return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) == 0 ? success : failed(Step::set_securebits);
}

Result verify_secure_bits(SetUidPrograms programs) {
    const int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
    if (bits < 0) return failed(Step::set_securebits);
    const unsigned long wanted = programs == SetUidPrograms::off ? secure_bits : 0;
    const bool right = (static_cast<unsigned long>(bits) & (wanted | SECBIT_KEEP_CAPS)) == wanted;
    return right ? success : refused(Step::set_securebits);
}

Result set_ids(const Ids &ids) {
    if (setgroups(ids.groups.size(), ids.groups.data()) != 0) return failed(Step::set_groups);
    if (setresgid(ids.gid, ids.gid, ids.gid) != 0) return failed(Step::set_gid);
    if (setresuid(ids.uid, ids.uid, ids.uid) != 0) return failed(Step::set_uid);
    return success;
}

Result verify_ids(const ProcStatus &status, const Ids &ids) {
    for (const uid_t uid : status.uids)
        if (uid != ids.uid) return refused(Step::verify_ids);
    for (const gid_t gid : status.gids)
        if (gid != ids.gid) return refused(Step::verify_ids);
    const bool same_groups = status.group_count == ids.groups.size() && status.known_groups == ids.groups.size();
    return same_groups ? success : refused(Step::verify_groups);
}

Result verify_capabilities(const ProcStatus &status, std::uint64_t set, std::uint64_t bounding) {
    const bool right = status.permitted == set && status.effective == set && status.inheritable == 0 &&
                       status.bounding == bounding && status.ambient == 0;
    return right ? success : refused(Step::verify_capabilities);
}

static Result verify_thread(const char *task, const Ids &ids, std::uint64_t capabilities, std::uint64_t bounding) {
    char path[sizeof "/proc/self/task//status" + 24];
    snprintf(path, sizeof path, "/proc/self/task/%.23s/status", task);
    ProcStatus status;
    if (const Result result = read_proc_status(path, ids.groups, status); !result.ok()) return result;
    if (const Result result = verify_ids(status, ids); !result.ok()) return result;
    return verify_capabilities(status, capabilities, bounding);
}

Result verify_threads(const Ids &ids, std::uint64_t capabilities, std::uint64_t bounding) {
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return failed(Step::verify_proc);
    int count = 0;
    Result result = success;
    while (result.ok()) {
        errno = 0;
        const dirent *entry = readdir(tasks);
        if (!entry) {
            if (errno != 0) result = failed(Step::verify_proc);
            break;
        }
        if (entry->d_name[0] == '.') continue;
        result = verify_thread(entry->d_name, ids, capabilities, bounding);
        count++;
    }
    closedir(tasks);
    if (result.ok() && count == 0) return refused(Step::verify_proc);
    return result;
}

// A way back must be refused for want of privilege; any other answer proves nothing.
static Result verify_refused(long answer) {
    if (answer == 0) return refused(Step::verify_no_way_back);
    return errno == EPERM ? success : failed(Step::verify_no_way_back);
}

// In a namespace of its own, an id may be refused for want of a mapping too.
static Result verify_id_refused(long answer, UserNamespace where) {
    if (answer != 0 && errno == EINVAL && where == UserNamespace::own) return success;
    return verify_refused(answer);
}

Result verify_no_uid(uid_t uid, uid_t own, UserNamespace where) {
    if (uid == own) return success;
    if (const Result result = verify_id_refused(setresuid(uid, uid, uid), where); !result.ok()) return result;
    constexpr auto same = static_cast<uid_t>(-1);
    if (const Result result = verify_id_refused(setresuid(same, uid, same), where); !result.ok()) return result;
    setfsuid(uid); // tells no error; the next call tells what holds
    return static_cast<uid_t>(setfsuid(same)) == own ? success : refused(Step::verify_no_way_back);
}

Result verify_no_gid(gid_t gid, gid_t own, UserNamespace where) {
    if (gid == own) return success;
    if (const Result result = verify_id_refused(setresgid(gid, gid, gid), where); !result.ok()) return result;
    constexpr auto same = static_cast<gid_t>(-1);
    if (const Result result = verify_id_refused(setresgid(same, gid, same), where); !result.ok()) return result;
    setfsgid(gid);
    return static_cast<gid_t>(setfsgid(same)) == own ? success : refused(Step::verify_no_way_back);
}

// Asks the kernel itself: a library's answer could be about the library.
Result verify_no_capability(unsigned capability) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
    data[CAP_TO_INDEX(capability)].permitted = CAP_TO_MASK(capability);
    data[CAP_TO_INDEX(capability)].effective = CAP_TO_MASK(capability);
    return verify_refused(syscall(SYS_capset, &header, data));
}

Result verify_no_groups() { return verify_refused(setgroups(0, nullptr)); }

Result verify_no_way_back(const Ids &ids, const Ids &before, UserNamespace where) {
    for (const unsigned capability : {CAP_SETUID, CAP_SETGID, CAP_SETPCAP, CAP_SYS_ADMIN})
        if (const Result result = verify_no_capability(capability); !result.ok()) return result;
    if (const Result result = verify_no_groups(); !result.ok()) return result;
    for (const gid_t gid : {before.gid, gid_t{0}})
        if (const Result result = verify_no_gid(gid, ids.gid, where); !result.ok()) return result;
    for (const uid_t uid : {before.uid, uid_t{0}})
        if (const Result result = verify_no_uid(uid, ids.uid, where); !result.ok()) return result;
    return success;
}

Result renew_protections(pid_t parent) {
    if (const Result result = forbid_dumps(); !result.ok()) return result;
    return arm_parent_death(parent);
}

} // namespace itk2::os
