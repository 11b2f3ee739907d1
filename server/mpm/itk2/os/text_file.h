// What it is: a whole file of the kernel's as text, and one word written to one.
#pragma once

#include "base/growing_array.h"
#include "base/result.h"

#include <string_view>

namespace itk2::os {

class TextFile {
  public:
    // The file's text, in place of what was read before. `step`, with errno; ENOMEM where memory is short.
    Result read(const char *path, Step step);
    // Lives until the next read().
    [[nodiscard]] std::string_view text() const { return {text_.items().data(), text_.size()}; }

  private:
    GrowingArray<char> text_;
};

// In one call, as the kernel's files want it. `step`, with errno.
Result write_text(const char *path, std::string_view text, Step step);

// The text up to the separator, which the rest loses; all of it, where there is none.
std::string_view take_word(std::string_view &rest, char separator);
// Decimal digits at the text's beginning; 0 where there are none.
std::uint64_t leading_number(std::string_view text);

} // namespace itk2::os
