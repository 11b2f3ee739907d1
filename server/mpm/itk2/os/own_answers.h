// What it is: the few answers that are given where there is no request that httpd could answer, as bytes of HTTP/1.1.
#pragma once

#include "base/bytes.h"

#include <array>
#include <cstdint>

namespace itk2::os {

enum class Refusal : std::uint8_t { request_timeout, unavailable };

using RefusalBytes = std::array<char, 512>;

// The answer, in `into`; it closes the connection. retry_after_s is told with `unavailable` only.
ByteView refusal_answer(Refusal refusal, std::uint32_t retry_after_s, RefusalBytes &into);

} // namespace itk2::os
