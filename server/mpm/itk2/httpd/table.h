// What it is: the route table of the generation that begins, as a sealed descriptor for the listeners.
#pragma once

#include "base/result.h"
#include "os/fd.h"

namespace itk2::httpd {

// Compiles it from httpd's virtual hosts. Steps make_memfd, seal_memfd, read_route_table.
Result make_route_table(os::Fd &table);

} // namespace itk2::httpd
