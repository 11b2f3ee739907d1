// What it is: writing one of log_lines to the error log.
#pragma once

#include "base/result.h"
#include "httpd/log_lines.h"

namespace itk2::httpd {

// Writes the line; arguments as its format asks for. Safe before and after the configuration is read.
void log(LogId id, ...);

// Writes step_failed: who ("spare", "worker"), for whom, which step, which errno.
void log_failed_step(const char *role, const char *name, Result result);

// The words for an errno, or "refused" where the step itself says all; a static buffer.
const char *error_words(Result result);

} // namespace itk2::httpd
