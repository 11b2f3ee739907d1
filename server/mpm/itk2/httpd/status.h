// What it is: what server-status says beyond httpd's own: the connections that listeners hold, whose wait for a worker,
// and how much memory is kept for who has none. Said by processes that may see all, and by no others.
#pragma once

#include "base/result.h"

namespace itk2::httpd {

// In a process that may see all: the listeners' counters, for reading; the descriptor stays the caller's. Step map_memory.
Result see_counters(int counters);

// Adds to mod_status's page, where that is loaded; with ?auto a number a line. httpd's own Conns… are of the processes in
// its slots, none of which is a listener.
void register_status();

} // namespace itk2::httpd
