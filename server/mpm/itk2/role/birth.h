// What it is: the end of a child that failed a step before it served anything.
#pragma once

#include "base/exit_code.h"
#include "base/result.h"
#include "httpd/log.h"

#include <unistd.h>

namespace itk2::role {

// Says which step failed, and exits; `name` is whose worker it was to be, or empty.
[[noreturn]] inline void fail_at_birth(const char *role, const char *name, Result result) {
    httpd::log_failed_step(role, name, result);
    _exit(status(ExitCode::failed_at_birth));
}

} // namespace itk2::role
