// What it is: what listeners are given of the generation that begins, as descriptors: the route table, sealed, and the
// counters they share; and those counters for who may see the server's status.
#pragma once

#include "base/result.h"
#include "os/fd.h"

namespace itk2::httpd {

struct ListenersMemory {
    os::Fd table;
    os::Fd counters;      // laid out as plan/counting.h says
    os::Fd counters_seen; // the same, for reading only
};

// Compiles the table from httpd's virtual hosts, and makes memory to count them in.
// Steps make_memfd, seal_memfd, map_memory, read_route_table.
Result make_listeners_memory(ListenersMemory &memory);

} // namespace itk2::httpd
