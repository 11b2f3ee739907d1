// What it is: the system calls that this process may make from now on; any other kills it.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <span>

namespace itk2::os {

// What an argument has to be; the kernel's own width of it counts.
struct ArgumentRule {
    enum class Kind : std::uint8_t { any, equals, without_bits, null };
    Kind kind = Kind::any;
    std::uint8_t argument = 0;
    std::uint32_t value = 0;
};

struct AllowedCall {
    int number;
    ArgumentRule first{};
    ArgumentRule second{};
};

// For good, and for what this process starts, which gains no privilege by exec either. `allowed` may name a call several
// times: one of its rules has to hold. To be verified it has to allow prctl(PR_GET_SECCOMP). `missing`: the kernel has no
// such filters, and nothing has changed. Step filter_calls.
Result allow_only(std::span<const AllowedCall> allowed, bool &missing);
Result verify_filtered();

} // namespace itk2::os
