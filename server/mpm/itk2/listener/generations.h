// What it is: what the master sends: sockets, generations, workers and their ends, stop.
// Trusts: the master; a message that can't be its own ends the process all the same.
#pragma once

namespace itk2::listener {

struct Listener;

enum class Orders { a_turn, all };

// Reads what has come, as much as fits one turn or all of it. False where the process is to end; `status` says how.
bool read_orders(Listener &listener, Orders how_many, int &status);

// While stopping: lets workers go that nothing needs any more, and tells the master when all is drained.
void check_drained(Listener &listener);

} // namespace itk2::listener
