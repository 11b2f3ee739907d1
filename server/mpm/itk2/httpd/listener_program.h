// What it is: where the listener's program is, and that nobody but root could have written it.
#pragma once

#include "httpd/apache.h"

namespace itk2::httpd {

// `configured`: ListenerProgram's argument, or null: beside this module's own file, else one directory up (a build
// tree's .libs). On success null, and `program` is the resolved path; else what is wrong, in words.
const char *find_listener_program(apr_pool_t *pool, const char *configured, const char *&program);

} // namespace itk2::httpd
