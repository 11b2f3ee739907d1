// What it is: which requests are light: answered at once, from a small file, by httpd's own handler. A worker answers
// them in turn for many clients; before any other it makes way.
#pragma once

#include "httpd/apache.h"

#include <string_view>

namespace itk2::httpd {

// Whether a request for this path is expected to be light.
[[nodiscard]] bool is_expected_light(std::string_view path);

// handler, after all others but httpd's own: learns what is light.
int note_light(request_rec *request);

// Others' requests do not wait for what comes now. `is_long`: it is none of those that are light.
void make_way(bool is_long);
// Before anybody reads it.
void make_way_for_body(const request_rec *request);
// Before a handler runs.
void make_way_unless_light(const request_rec *request);

} // namespace itk2::httpd
