// What it is: which module's post_config hook has made which shared memory or lock file, as neither has a name of its
// own; and ShareMemoryOf, by which an administrator leaves one shared among all identities.
// Runs as: the master, while the configuration is read, and at the beginning of a generation. No httpd type.
#pragma once

#include "os/shared_mappings.h"

#include <cstddef>

namespace itk2::httpd {

// From a hook before post_config: from now on what is new after each module's hook is noted as that module's.
void watch_memory();
// Once there is one: stays_shared() knows it from now on.
void find_scoreboard();

// The module that has made it; null where it was there before, or has come later.
const char *maker_of(const os::Inode &inode);

// Whether it is to stay one for all identities: httpd's scoreboard, and what ShareMemoryOf names.
bool stays_shared(const os::Inode &inode);

} // namespace itk2::httpd
