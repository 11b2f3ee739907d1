// What it is: sizes as the configuration writes them: a number of bytes, or of K, M, G or T, each 1024 of the one before.
#pragma once

#include <cstdint>
#include <optional>

namespace itk2::plan {

constexpr std::optional<std::uint64_t> read_size(const char *text, std::uint64_t most) {
    if (*text < '0' || *text > '9') return std::nullopt;
    std::uint64_t value = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        value = value * 10 + static_cast<std::uint64_t>(*text - '0');
        if (value > most) return std::nullopt;
    }
    constexpr char units[] = "KMGT";
    for (int unit = 0; units[unit] != '\0' && *text != '\0'; unit++) {
        if (value > most / 1024) return std::nullopt;
        value *= 1024;
        if (*text != units[unit] && *text != units[unit] + ('a' - 'A')) continue;
        text++;
        break;
    }
    return *text == '\0' ? std::optional(value) : std::nullopt;
}

static_assert(read_size("65536", UINT64_MAX / 16) == 65536U && read_size("0", 9) == 0U);
static_assert(read_size("512M", 1ULL << 40) == 512ULL << 20 && read_size("1g", 1ULL << 40) == 1ULL << 30);
static_assert(read_size("1T", 1ULL << 40) == 1ULL << 40 && !read_size("2T", 1ULL << 40));
static_assert(!read_size("", 9) && !read_size("M", 9) && !read_size("-1", 9) && !read_size("10", 9));
static_assert(!read_size("1MB", 1ULL << 40) && !read_size("1 M", 1ULL << 40) && !read_size("1.5G", 1ULL << 40));
static_assert(!read_size("99999999999999999999", UINT64_MAX / 16));

} // namespace itk2::plan
