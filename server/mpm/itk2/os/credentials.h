// What it is: the one place that changes ids and capabilities, and proves that the change can't be undone.
// Runs as: root in a freshly forked child, or a spare. Every function needs a process with one thread.
// Each step fails closed: on any Result but success the caller exits at once; the process is then neither one nor
// the other. Trusts: the kernel's answers. Distrusts: that a call which returned 0 did what it should.
#pragma once

#include "base/result.h"

#include <sys/types.h>

#include <cstdint>
#include <span>

namespace itk2::os {

struct Ids {
    uid_t uid = 0;
    gid_t gid = 0;
    std::span<const gid_t> groups; // supplementary groups, sorted, without duplicates
};

// From root: real, effective, saved and fs ids these; no supplementary group; SETUID and SETGID permitted and
// effective; the other three sets empty; NOROOT locked. Dumps forbidden; dies with `parent`.
// `bounding`: 0, or the bounding set as it is, which then stays, without NOROOT: set-uid programs that the process starts
// are what they are elsewhere. It has no more of it than by such programs.
// Needs SETUID, SETGID, SETPCAP. Steps: one_thread, drop_bounding, set_*, parent_*, verify_*.
Result become_spare(uid_t uid, gid_t gid, pid_t parent, std::uint64_t bounding = 0);
Result verify_spare(uid_t uid, gid_t gid, std::uint64_t bounding = 0);

// From a spare, for good: ids and groups exactly these, all five capability sets empty in every thread. Dumps
// forbidden; dies with `parent`. Then tries the ways back, each of which must be refused.
// A set-uid-root program that it starts is uid 0 without a capability: it can't become a third user, nor set groups.
// With a bounding set, which is the spare's, it is what it is elsewhere.
// Steps: as above, and verify_no_way_back.
Result become_identity(const Ids &ids, pid_t parent, std::uint64_t bounding = 0);
// `before`: what this process was, and must not become again.
Result verify_identity(const Ids &ids, const Ids &before, std::uint64_t bounding = 0);

// Whatever this process starts gains no privilege, for good. Step forbid_new_privileges.
Result forbid_new_privileges();
Result verify_no_new_privileges();

// From root, between fork and exec of the listener: these ids, no group, no capability. The new program arms
// the parent-death signal and forbids dumps for itself: exec undoes the latter.
// Needs SETUID, SETGID, SETPCAP. Steps: as for become_identity.
Result become_listener(uid_t uid, gid_t gid);

// A child of a server that wasn't started as root: drops whatever capability it may have, keeps its ids and groups.
// Dumps forbidden; dies with `parent`. The bounding set stays where CAP_SETPCAP is missing. Refuses uid 0.
Result become_unprivileged(pid_t parent);
Result verify_unprivileged();

// The effective capabilities of this thread, a bit for each; its bounding set. Step verify_proc.
Result read_effective_capabilities(std::uint64_t &set);
Result read_bounding_set(std::uint64_t &set);

} // namespace itk2::os
