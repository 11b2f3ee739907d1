// What it is: whose document root it is, for a request; told from outside where this process is in a user namespace.
// No httpd type.
#pragma once

#include "base/result.h"
#include "os/path_owner.h"

namespace itk2::httpd {

// A parser, still root: forks who tells it, where the configuration has a use for it. Dies with this process.
Result begin_owner_lookups();

// Waits for NameLookupTimeout at most.
os::PathOwner look_up_owner(const char *path);

} // namespace itk2::httpd
