// What it is: a network of the internet, as an address and how many of its bits count.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace itk2::plan {

struct Network {
    std::array<std::uint8_t, 16> bytes{}; // as many as the length says; those of v4 are not mapped into v6
    std::uint8_t length = 4;              // 4 or 16
    std::uint8_t bits = 32;               // at most 8 * length
};

constexpr bool is_sound(const Network &network) {
    return (network.length == 4 || network.length == 16) && network.bits <= 8 * network.length;
}

// Whether an address of 4 or 16 bytes is in a sound network. One of v4 that is mapped into v6 is to come as v4.
constexpr bool holds(const Network &network, std::span<const std::uint8_t> address) {
    if (address.size() != network.length) return false;
    const std::size_t whole = network.bits / 8;
    for (std::size_t i = 0; i < whole; i++)
        if (address[i] != network.bytes[i]) return false;
    const unsigned rest = network.bits % 8;
    return rest == 0 || (address[whole] ^ network.bytes[whole]) >> (8 - rest) == 0;
}

} // namespace itk2::plan
