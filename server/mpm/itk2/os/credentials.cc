// What it is: see credentials.h.
#include "os/credentials.h"

#include "os/credential_steps.h"
#include "os/proc_status.h"
#include "os/process.h"

#include <sys/prctl.h>
#include <unistd.h>

namespace itk2::os {

static SetUidPrograms programs_of(std::uint64_t bounding) {
    return bounding == 0 ? SetUidPrograms::off : SetUidPrograms::on;
}

Result become_spare(uid_t uid, gid_t gid, pid_t parent, std::uint64_t bounding) {
    if (const Result result = verify_one_thread(); !result.ok()) return result;
    if (bounding == 0)
        if (const Result result = drop_bounding(); !result.ok()) return result;
    const Result locked = lock_secure_bits(AtIdChange::keep_capabilities, programs_of(bounding));
    if (!locked.ok()) return locked;
    if (const Result result = set_ids({uid, gid, {}}); !result.ok()) return result;
    if (const Result result = set_capabilities(id_changes); !result.ok()) return result;
    if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) return failed(Step::set_securebits);
    if (const Result result = renew_protections(parent); !result.ok()) return result;
    return verify_spare(uid, gid, bounding);
}

Result verify_spare(uid_t uid, gid_t gid, std::uint64_t bounding) {
    if (const Result result = verify_threads({uid, gid, {}}, id_changes, bounding); !result.ok()) return result;
    if (const Result result = verify_secure_bits(programs_of(bounding)); !result.ok()) return result;
    return verify_no_dumps();
}

Result become_identity(const Ids &ids, pid_t parent, std::uint64_t bounding) {
    const Ids before{geteuid(), getegid(), {}};
    if (const Result result = verify_one_thread(); !result.ok()) return result;
    if (const Result result = set_ids(ids); !result.ok()) return result;
    if (const Result result = set_capabilities(0); !result.ok()) return result;
    if (const Result result = renew_protections(parent); !result.ok()) return result;
    return verify_identity(ids, before, bounding);
}

Result verify_identity(const Ids &ids, const Ids &before, std::uint64_t bounding) {
    if (const Result result = verify_threads(ids, 0, bounding); !result.ok()) return result;
    if (const Result result = verify_secure_bits(programs_of(bounding)); !result.ok()) return result;
    if (const Result result = verify_no_dumps(); !result.ok()) return result;
    return verify_no_way_back(ids, before, UserNamespace::initial);
}

Result become_listener(uid_t uid, gid_t gid) {
    const Ids ids{uid, gid, {}};
    const Ids before{geteuid(), getegid(), {}};
    if (const Result result = verify_one_thread(); !result.ok()) return result;
    if (const Result result = drop_bounding(); !result.ok()) return result;
    if (const Result result = lock_secure_bits(AtIdChange::drop_capabilities); !result.ok()) return result;
    if (const Result result = set_ids(ids); !result.ok()) return result;
    if (const Result result = set_capabilities(0); !result.ok()) return result;
    if (const Result result = forbid_dumps(); !result.ok()) return result;
    return verify_identity(ids, before);
}

Result become_unprivileged(pid_t parent) {
    if (const Result result = verify_one_thread(); !result.ok()) return result;
    std::uint64_t effective = 0;
    if (const Result result = read_effective_capabilities(effective); !result.ok()) return result;
    if ((effective & bit(CAP_SETPCAP)) != 0)
        if (const Result result = drop_bounding(); !result.ok()) return result;
    if (const Result result = set_capabilities(0); !result.ok()) return result;
    if (const Result result = renew_protections(parent); !result.ok()) return result;
    return verify_unprivileged();
}

Result verify_unprivileged() {
    ProcStatus status;
    if (const Result result = read_proc_status("/proc/self/status", {}, status); !result.ok()) return result;
    for (std::size_t i = 0; i < status.uids.size(); i++)
        if (status.uids[i] != status.uids[0] || status.gids[i] != status.gids[0]) return refused(Step::verify_ids);
    if (status.uids[0] == 0) return refused(Step::verify_ids);
    const bool none = status.permitted == 0 && status.effective == 0 && status.inheritable == 0 && status.ambient == 0;
    if (!none) return refused(Step::verify_capabilities);
    return verify_no_dumps();
}

Result forbid_new_privileges() {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed(Step::forbid_new_privileges);
    return verify_no_new_privileges();
}

Result verify_no_new_privileges() {
    const int forbidden = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    if (forbidden < 0) return failed(Step::forbid_new_privileges);
    return forbidden == 1 ? success : refused(Step::forbid_new_privileges);
}

Result read_bounding_set(std::uint64_t &set) {
    ProcStatus status;
    const Result result = read_proc_status("/proc/thread-self/status", {}, status);
    set = status.bounding;
    return result;
}

Result read_effective_capabilities(std::uint64_t &set) {
    ProcStatus status;
    const Result result = read_proc_status("/proc/thread-self/status", {}, status);
    set = status.effective;
    return result;
}

} // namespace itk2::os
