// What it is: a decimal number in text, read strictly: digits only, all of the text, within its bounds.
#pragma once

#include <cstdint>
#include <optional>

namespace itk2::plan {

constexpr std::optional<std::uint32_t> read_number(const char *text, std::uint32_t least, std::uint32_t most) {
    if (*text == '\0') return std::nullopt;
    std::uint64_t value = 0;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') return std::nullopt;
        value = value * 10 + static_cast<std::uint64_t>(*text - '0');
        if (value > most) return std::nullopt;
    }
    if (value < least) return std::nullopt;
    return static_cast<std::uint32_t>(value);
}

static_assert(read_number("4294967295", 0, UINT32_MAX) == UINT32_MAX);
static_assert(!read_number("4294967296", 0, UINT32_MAX));
static_assert(!read_number("99999999999999999999999", 0, UINT32_MAX));
static_assert(!read_number("", 0, 9) && !read_number("-1", 0, 9) && !read_number("1x", 0, 9) &&
              !read_number(" 1", 0, 9));
static_assert(!read_number("0", 1, 9) && read_number("09", 1, 9) == 9U);

} // namespace itk2::plan
