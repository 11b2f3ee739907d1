// What it is: what listeners are given of the generation that begins, as descriptors: the route table, sealed, and the
// counters they share.
#pragma once

#include "base/result.h"
#include "os/fd.h"

namespace itk2::httpd {

// Compiles the table from httpd's virtual hosts. Where there are several listeners `counters` has a row for each, in it
// a 32-bit number for each virtual host of the table; else it stays closed.
// Steps make_memfd, seal_memfd, map_memory, read_route_table.
Result make_route_table(os::Fd &table, os::Fd &counters);

} // namespace itk2::httpd
