// What it is: what the master sends: sockets, generations, workers and their ends, stop.
// Trusts: the master; a message that can't be its own ends the process all the same.
#pragma once

namespace itk2::listener {

struct Listener;

// Reads what has come. False where the process is to end; `status` says how.
bool read_orders(Listener &listener, int &status);

// While stopping: lets workers go that nothing needs any more, and tells the master when all is drained.
void check_drained(Listener &listener);

} // namespace itk2::listener
