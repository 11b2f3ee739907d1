// What it is: a folder of files in memory that no path leads to: who holds its descriptor can open what is in it to read,
// and root alone can change it. It ends with the last descriptor.
#pragma once

#include "base/result.h"
#include "os/fd.h"

#include <cstddef>

namespace itk2::os {

// Needs CAP_SYS_ADMIN, Linux 5.2. Close-on-exec. Step make_folder: EPERM, ENOSYS.
Result make_private_folder(Fd &folder);

// A new file of `size` zeros in the place of whatever has that name, opened for reading and writing. Others have the
// old one no more, but where they have it open. Step make_folder.
Result renew_file(int folder, const char *name, std::size_t size, Fd &file);
// Nothing has that name from then on; it is no error where nothing had it. Step make_folder.
Result remove_file(int folder, const char *name);
// What is there by that name, for reading and writing. Step make_folder: ENOENT.
Result open_file(int folder, const char *name, Fd &file);
// The same, for reading only: no mapping of it can ever be made writable.
Result open_file_to_read(int folder, const char *name, Fd &file);

} // namespace itk2::os
