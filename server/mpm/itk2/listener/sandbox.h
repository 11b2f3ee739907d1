// What it is: what this program gives up once it has begun, before it reads a client's first byte.
#pragma once

#include "base/result.h"

#include <cstdint>

namespace itk2::listener {

// Gives up all files, and all system calls but those it needs. `kept`: of wire::Ready, what the kernel has. What it can do,
// and fails to, is an error: steps hide_files, filter_calls.
Result enter_sandbox(std::uint16_t &kept);

} // namespace itk2::listener
