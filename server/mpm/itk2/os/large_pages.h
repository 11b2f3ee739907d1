// What it is: this process's memory in large pages, so that a fork of it copies fewer entries.
#pragma once

namespace itk2::os {

// Of the private memory that is no file's, what fills large pages nearly. What stays in small ones costs time and
// nothing else: there is no error.
void gather_in_large_pages();

} // namespace itk2::os
