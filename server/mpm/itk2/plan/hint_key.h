// What it is: the place of a request, among those whose identity only httpd can tell, as a number: requests in one place
// are expected to be one identity's. Pure. Distrusts: host and path, which any client chooses.
#pragma once

#include "base/ids.h"
#include "plan/first_bytes.h"
#include "plan/siphash.h"
#include "plan/wish.h"

#include <cstdint>
#include <string_view>

namespace itk2::plan {

enum class HintKey : std::uint64_t {};
inline constexpr HintKey no_hint{0};

// The place that these first bytes of a connection to this vhost ask for; no_hint where nothing is to be learnt or they
// don't tell: what is inside TLS isn't seen, so a TLS connection has a place only where its name is enough.
HintKey hint_key(const SipKey &secret, VhostIndex vhost, HintScope scope, const FirstBytes &first);

// The part of a path that makes its place: up to the last slash, and the last part too unless it is the name of a file:
// one without a dot is a directory asked for without its slash, ".." or an encoded character may lead elsewhere.
std::string_view path_place(std::string_view path);

} // namespace itk2::plan
