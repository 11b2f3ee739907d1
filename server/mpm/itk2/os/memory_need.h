// What it is: who is ended first when the machine has no memory left.
#pragma once

#include "base/result.h"

namespace itk2::os {

// This process, and what it starts, before its parent: its score (oom_score_adj) is raised by as much as a tenth of the
// machine's memory counts, to the greatest there is at most. Nobody without privilege can take it back. Step
// offer_memory: errno of /proc.
Result be_ended_before_parent();
Result verify_offered(int at_least);

} // namespace itk2::os
