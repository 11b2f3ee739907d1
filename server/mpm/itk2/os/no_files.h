// What it is: giving up the file system: nothing can be opened, made or run from now on. What is open stays.
#pragma once

#include "base/result.h"

namespace itk2::os {

// For good, and for what this process starts, which gains no privilege by exec either. By Landlock; `missing`: the kernel
// has none, and nothing has changed. Step hide_files.
Result hide_files(bool &missing);
Result verify_no_files();

} // namespace itk2::os
