// What it is: the outcome of something that can fail: which step, and which errno.
// Never holds text or memory; the words for a step stand in step.h.
#pragma once

#include "base/step.h"

#include <cerrno>

namespace itk2 {

struct [[nodiscard]] Result {
    Step step = Step::none;
    int error = 0; // errno of the failed step; 0 where the step itself says all

    [[nodiscard]] constexpr bool ok() const { return step == Step::none; }
};

inline constexpr Result success{};

// The step that has just failed, with errno as it stands.
inline Result failed(Step step) { return Result{step, errno}; }
// The step that failed for a reason no errno tells.
inline constexpr Result refused(Step step, int error = 0) { return Result{step, error}; }

} // namespace itk2
