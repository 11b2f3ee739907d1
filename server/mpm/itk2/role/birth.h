// What it is: a step of every worker's birth, and the end of a child that failed one before it served anything.
#pragma once

#include "base/exit_code.h"
#include "base/result.h"
#include "httpd/log.h"
#include "httpd/settings.h"
#include "os/allowance.h"

#include <unistd.h>

namespace itk2::role {

// Says which step failed, and exits; `name` is whose worker it was to be, or empty.
[[noreturn]] inline void fail_at_birth(const char *role, const char *name, Result result) {
    httpd::log_failed_step(role, name, result);
    _exit(status(ExitCode::failed_at_birth));
}

// What the pool of this identity allows each of its processes; nothing where it sets no limit.
inline Result limit_own_files(IdentityKey identity) {
    const std::uint64_t most = httpd::pool_limits(identity)[Limit::files];
    return most == 0 ? success : os::limit_files(most);
}

} // namespace itk2::role
