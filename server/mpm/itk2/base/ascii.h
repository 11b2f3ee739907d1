// What it is: upper and lower case of ASCII, whatever the locale.
#pragma once

#include <algorithm>
#include <string_view>

namespace itk2 {

constexpr char lower_case(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

constexpr bool equals_ignoring_case(std::string_view text, std::string_view in_lower_case) {
    return std::equal(text.begin(), text.end(), in_lower_case.begin(), in_lower_case.end(),
                      [](char a, char b) { return lower_case(a) == b; });
}

} // namespace itk2
