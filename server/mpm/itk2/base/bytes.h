// What it is: a view of untrusted bytes and a cursor that can't read past its end.
// Trusts: nothing. Never allocates, never throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace itk2 {

using ByteView = std::span<const std::uint8_t>;

// Reads big-endian numbers and runs of bytes, first to last. Once a read asks for more than there is, that
// read and every later one yields zeros and is_short() holds; so a decoder checks once, at its end.
class ByteReader {
  public:
    explicit constexpr ByteReader(ByteView bytes) : rest_(bytes) {}

    constexpr std::uint8_t u8() { return static_cast<std::uint8_t>(big_endian(1)); }
    constexpr std::uint16_t u16() { return static_cast<std::uint16_t>(big_endian(2)); }
    constexpr std::uint32_t u24() { return big_endian(3); }
    constexpr std::uint32_t u32() { return big_endian(4); }

    constexpr ByteView take(std::size_t length) {
        if (length > rest_.size()) {
            short_ = true;
            rest_ = {};
            return {};
        }
        const ByteView taken = rest_.first(length);
        rest_ = rest_.last(rest_.size() - length);
        return taken;
    }

    [[nodiscard]] constexpr bool is_short() const { return short_; }
    [[nodiscard]] constexpr std::size_t left() const { return rest_.size(); }

  private:
    constexpr std::uint32_t big_endian(std::size_t length) {
        std::uint32_t value = 0;
        for (const std::uint8_t byte : take(length)) value = value << 8 | byte;
        return value;
    }

    ByteView rest_;
    bool short_ = false;
};

} // namespace itk2
