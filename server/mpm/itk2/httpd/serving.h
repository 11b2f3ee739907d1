// What it is: making a process that has just become an identity an httpd child, and taking leave of httpd.
// Runs as: the worker's identity: no module's code runs in a worker before that.
#pragma once

#include "base/exit_code.h"
#include "base/ids.h"
#include "base/result.h"

namespace itk2::httpd {

// In every forked child, first: httpd's notion of its thread.
void note_forked();

// Runs the modules' drop_privileges and child_init hooks; from then on the process may admit() connections.
Result begin_serving(Slot slot, IdentityKey identity, const char *identity_name);

// No more connections will be admitted; those that can't go on elsewhere are told to come back anew.
void begin_finishing();

// Runs the modules' clean-ups, then exits.
[[noreturn]] void leave(ExitCode code);

} // namespace itk2::httpd
