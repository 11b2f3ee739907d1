// What it is: SipHash-2-4 (Aumasson and Bernstein): a 64-bit hash under a secret key, so that a stranger who chooses the
// text can't choose what it meets. Pure; takes the text in pieces.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace itk2::plan {

struct SipKey {
    std::uint64_t first = 0; // of the 16 key bytes, the least significant one first
    std::uint64_t second = 0;
};

class SipHash {
  public:
    explicit constexpr SipHash(const SipKey &key)
        : v_{key.first ^ 0x736f6d6570736575, key.second ^ 0x646f72616e646f6d, key.first ^ 0x6c7967656e657261,
             key.second ^ 0x7465646279746573} {}

    constexpr void add(std::uint8_t byte) {
        word_ |= std::uint64_t{byte} << 8 * (length_ % 8);
        if (++length_ % 8 == 0) compress();
    }

    // Of all bytes added. To be asked once.
    constexpr std::uint64_t finish() {
        word_ |= std::uint64_t{length_} << 56;
        compress();
        v_[2] ^= 0xff;
        for (int i = 0; i < 4; i++) round();
        return v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
    }

  private:
    constexpr void compress() {
        v_[3] ^= word_;
        round();
        round();
        v_[0] ^= word_;
        word_ = 0;
    }
    constexpr void round() {
        v_[0] += v_[1];
        v_[2] += v_[3];
        v_[1] = std::rotl(v_[1], 13) ^ v_[0];
        v_[3] = std::rotl(v_[3], 16) ^ v_[2];
        v_[0] = std::rotl(v_[0], 32);
        v_[2] += v_[1];
        v_[0] += v_[3];
        v_[1] = std::rotl(v_[1], 17) ^ v_[2];
        v_[3] = std::rotl(v_[3], 21) ^ v_[0];
        v_[2] = std::rotl(v_[2], 32);
    }

    std::array<std::uint64_t, 4> v_;
    std::uint64_t word_ = 0;  // the bytes not compressed yet
    std::uint8_t length_ = 0; // modulo 256, which is all that counts
};

} // namespace itk2::plan
