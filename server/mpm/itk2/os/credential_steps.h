// What it is: the single steps of which becoming something is made, with their verifiers. Only os/ calls them: a
// process is to take them all, in an order that works, or end.
// Each acts on the calling thread or process, and needs that there is one thread.
#pragma once

#include "os/credentials.h"
#include "os/proc_status.h"

#include <linux/capability.h>

#include <cstdint>

namespace itk2::os {

constexpr std::uint64_t bit(unsigned capability) { return std::uint64_t{1} << capability; }

inline constexpr std::uint64_t id_changes = bit(CAP_SETUID) | bit(CAP_SETGID);

// Empties the bounding set. Needs SETPCAP. Step drop_bounding.
Result drop_bounding();

// Permitted and effective become these; inheritable and ambient become empty. Step set_capabilities.
Result set_capabilities(std::uint64_t set);

enum class AtIdChange : bool { drop_capabilities, keep_capabilities };

// What a program gains that this process starts, by its set-uid bit or its file capabilities: nothing, for good; or what
// the system gives.
enum class SetUidPrograms : bool { off, on };

// Off: NOROOT, and no ambient capability, for good; on: neither. Needs SETPCAP. Step set_securebits.
Result lock_secure_bits(AtIdChange wanted, SetUidPrograms programs = SetUidPrograms::off);
Result verify_secure_bits(SetUidPrograms programs = SetUidPrograms::off);

// Real, effective, saved and fs ids, and groups. Steps set_groups, set_gid, set_uid.
Result set_ids(const Ids &ids);
// Steps verify_ids, verify_groups.
Result verify_ids(const ProcStatus &status, const Ids &ids);
// Permitted and effective exactly these, the bounding set this, the other two empty. Step verify_capabilities.
Result verify_capabilities(const ProcStatus &status, std::uint64_t set, std::uint64_t bounding = 0);
// That every thread has these ids and these capabilities. Ids are seen as this process's user namespace shows them.
Result verify_threads(const Ids &ids, std::uint64_t capabilities, std::uint64_t bounding = 0);

// Where a process stands: in a user namespace of its own, an id without a mapping does not even exist.
enum class UserNamespace : bool { initial, own };

// That these are refused. Step verify_no_way_back: error 0 where one was not.
Result verify_no_capability(unsigned capability);
Result verify_no_groups();
Result verify_no_uid(uid_t uid, uid_t own, UserNamespace where);
Result verify_no_gid(gid_t gid, gid_t own, UserNamespace where);
// All of them, with the ids that the process had before, and with 0.
Result verify_no_way_back(const Ids &ids, const Ids &before, UserNamespace where);

// Forbids dumps and arms the parent-death signal: a change of ids undoes both.
Result renew_protections(pid_t parent);

} // namespace itk2::os
