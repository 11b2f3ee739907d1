// What it is: see bystander.h.
#include "os/bystander.h"

#include "os/credentials.h"
#include "os/descriptors.h"
#include "os/process.h"
#include "os/signals.h"

namespace itk2::os {

Result become_bystander(std::span<const int> keep, uid_t uid, gid_t gid, pid_t parent) {
    restore_default_signals();
    if (const Result result = close_all_but(keep); !result.ok()) return result;
    if (const Result result = start_session(); !result.ok()) return result;
    if (const Result result = become_listener(uid, gid); !result.ok()) return result;
    return arm_parent_death(parent);
}

} // namespace itk2::os
