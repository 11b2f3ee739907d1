// What it is: this process's memory in large pages, so that a fork of it copies fewer entries.
#pragma once

#include <cstddef>
#include <cstdint>

namespace itk2::os {

// Of the private memory that is no file's, what fills large pages nearly. What stays in small ones costs time and
// nothing else: there is no error.
void gather_in_large_pages();

// How far it has come.
struct Gathered {
    std::uintptr_t end = 0;
};
// The same by and by: from there on, so many bytes of large pages. False once nothing is left.
bool gather_more(Gathered &so_far, std::size_t bytes);

} // namespace itk2::os
