// What it is: which descriptors a process holds: at its birth, and over exec.
#pragma once

#include "base/result.h"

#include <span>

namespace itk2::os {

// Closes every descriptor but these, which are in ascending order. For a process with one thread.
// Step close_descriptors.
Result close_all_but(std::span<const int> keep);
// Closes these, which are open; those whose numbers follow each other with one call, where the kernel has it. Sorts them.
void close_each(std::span<int> descriptors);
// That no descriptor but these is open. Step close_descriptors: error 0 where one is, verify_proc where /proc
// can't tell. `unknown` gets the first such descriptor.
Result verify_only_open(std::span<const int> keep, int &unknown);

// Lets exec hand on a descriptor under this number; closes the old one where it is another. Whatever held the
// number is closed. Step close_descriptors.
Result hand_on(int fd, int number);

} // namespace itk2::os
