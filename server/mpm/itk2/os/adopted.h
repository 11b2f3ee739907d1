// What it is: processes that the children have started and left behind: this process adopts them, and can end them.
// Runs as: the master. Trusts: the kernel. Distrusts: all of these: they ignore signals, fork, and leave their groups.
#pragma once

#include "base/result.h"

#include <cstdint>

namespace itk2::os {

// Has the kernel make this process the parent of every orphan below it, instead of the machine's first one; what has
// been adopted is to be reaped. Step adopt_orphans.
Result adopt_orphans();
Result verify_adopting();

// Kills (SIGKILL) each child of this process that is in another session than its own and has not ended; `count` is how
// many. A child's children are adopted as soon as it has ended: reap, and call it again until there is none. What the
// master itself has started for httpd, such as the programs that logs are piped to, is of its session, which nobody can
// join. A child that is not reaped keeps its number, so that no other process can be meant. Step verify_proc.
Result kill_adopted(std::uint32_t &count);

} // namespace itk2::os
