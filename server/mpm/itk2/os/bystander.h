// What it is: the birth of a child that stands beside the others to answer a question: it has no privilege, and nothing
// of theirs.
#pragma once

#include "base/result.h"

#include <sys/types.h>

#include <span>

namespace itk2::os {

// From root, in a freshly forked child: signals as a program starts with them; no descriptor but these, which are in
// ascending order; a session of its own; these ids, no group, no capability; dumps forbidden; dies with `parent`.
// Needs SETUID, SETGID, SETPCAP. Steps: close_descriptors, new_session, those of become_listener, parent_*.
Result become_bystander(std::span<const int> keep, uid_t uid, gid_t gid, pid_t parent);

} // namespace itk2::os
