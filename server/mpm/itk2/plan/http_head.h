// What it is: finds where a request belongs in the request head that starts a run of bytes, as httpd would read it.
// Pure. Distrusts: every byte.
#pragma once

#include "plan/first_bytes.h"

namespace itk2::plan {

// Fills in sight, has_host, host, path and, counted from these bytes, head_length.
void look_at_http_head(std::string_view bytes, bool more_may_come, FirstBytes &first);

} // namespace itk2::plan
