// What it is: finds the server name in the TLS ClientHello that starts a run of bytes.
// Pure. Distrusts: every byte.
#pragma once

#include "plan/first_bytes.h"

namespace itk2::plan {

// Fills in sight, has_host and host.
void look_at_client_hello(ByteView bytes, bool more_may_come, std::span<char> room, FirstBytes &first);

} // namespace itk2::plan
