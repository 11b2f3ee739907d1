// What it is: reads a ClientHello over the TLS records it is split into, in place.
// Distrusts: every byte.
#include "plan/client_hello.h"

#include <algorithm>
#include <optional>

namespace itk2::plan {
namespace {

constexpr std::uint8_t handshake_record = 0x16;
constexpr std::uint8_t client_hello = 1;
constexpr std::uint16_t server_name_extension = 0;
constexpr std::uint8_t host_name = 0;
constexpr std::size_t longest_record = 1 << 14;
constexpr std::size_t longest_hello = 1 << 16; // key shares of post-quantum groups take several kilobytes
constexpr std::size_t longest_name = 255;

// Reads the contents of consecutive handshake records as one run of bytes. Once it comes to the end of what there
// is, every later read yields nothing and is_short() holds; once to a record of another kind, is_broken() too.
class Handshake {
  public:
    explicit Handshake(ByteView records) : records_(records) {}

    // From here on reads end after that many bytes.
    void limit(std::size_t length) { limit_ = length; }

    std::uint8_t u8() {
        const ByteView byte = take_part(1);
        return byte.empty() ? 0 : byte[0];
    }
    std::uint16_t u16() {
        const std::uint8_t high = u8();
        return static_cast<std::uint16_t>(high << 8 | u8());
    }
    std::uint32_t u24() {
        const std::uint8_t high = u8();
        return static_cast<std::uint32_t>(high << 16 | u16());
    }
    void skip(std::size_t length) {
        while (length > 0) {
            const ByteView part = take_part(length);
            if (part.empty()) return;
            length -= part.size();
        }
    }
    // At least one and at most `most` bytes, as far as one record holds them; empty at the end.
    ByteView take_part(std::size_t most) {
        if (most == 0 || !has_content()) return {};
        const ByteView part = content_.first(std::min({most, content_.size(), limit_}));
        content_ = content_.last(content_.size() - part.size());
        limit_ -= part.size();
        return part;
    }

    [[nodiscard]] std::size_t left() const { return limit_; }
    [[nodiscard]] bool is_short() const { return short_; }
    [[nodiscard]] bool is_broken() const { return broken_; }

  private:
    bool has_content() {
        if (limit_ == 0) short_ = true;
        while (!short_ && content_.empty()) next_record();
        return !short_;
    }
    void next_record() {
        const bool is_handshake = records_.left() == 0 || records_.u8() == handshake_record;
        const bool is_tls = records_.left() == 0 || records_.u8() == 3;
        records_.u8(); // minor version
        const std::uint16_t length = records_.u16();
        const bool has_length = !records_.is_short();
        if (!is_handshake || !is_tls || (has_length && (length == 0 || length > longest_record))) broken_ = true;
        content_ = records_.take(std::min<std::size_t>(length, records_.left()));
        if (broken_ || content_.empty()) {
            short_ = true;
            content_ = {};
        }
    }

    ByteReader records_;
    ByteView content_;
    std::size_t limit_ = 4 + longest_hello;
    bool short_ = false;
    bool broken_ = false;
};

// How much of the ClientHello is there: incomplete, tls for all of it, other where it is none.
Sight measure(ByteView records, std::size_t &length) {
    Handshake handshake(records);
    const std::uint8_t type = handshake.u8();
    if (handshake.is_broken() || (!handshake.is_short() && type != client_hello)) return Sight::other;
    length = handshake.u24();
    if (handshake.is_broken() || (!handshake.is_short() && length > longest_hello)) return Sight::other;
    if (handshake.is_short()) return Sight::incomplete;
    handshake.skip(length);
    if (handshake.is_broken()) return Sight::other;
    return handshake.is_short() ? Sight::incomplete : Sight::tls;
}

// The next `length` bytes: in place where one record holds them, else put together in `room`. None where they are
// not there or don't fit.
std::optional<std::string_view> take_name(Handshake &handshake, std::size_t length, std::span<char> room) {
    ByteView part = handshake.take_part(length);
    if (part.size() == length) return std::string_view{reinterpret_cast<const char *>(part.data()), length};
    if (room.size() < length) return std::nullopt;
    std::size_t have = 0;
    while (!part.empty()) {
        std::copy(part.begin(), part.end(), room.begin() + static_cast<std::ptrdiff_t>(have));
        have += part.size();
        part = handshake.take_part(length - have);
    }
    if (have < length) return std::nullopt;
    return std::string_view{room.data(), length};
}

enum class Name { none, found, broken };

Name read_server_name(Handshake &handshake, std::size_t extension_length, std::span<char> room, FirstBytes &first) {
    const std::uint16_t list_length = handshake.u16();
    const std::uint8_t type = handshake.u8();
    const std::uint16_t length = handshake.u16();
    // One host name and nothing else: what OpenSSL takes.
    if (handshake.is_short() || list_length + 2u != extension_length || length + 3u != list_length ||
        type != host_name || length > longest_name)
        return Name::broken;
    if (length == 0) return Name::none;
    const auto name = take_name(handshake, length, room);
    if (!name) return Name::none;
    if (name->find('\0') != std::string_view::npos) return Name::broken;
    first.has_host = true;
    first.host = *name;
    return Name::found;
}

// The extensions stand at the handshake's current place and end with it.
Name find_server_name(Handshake &handshake, std::span<char> room, FirstBytes &first) {
    while (handshake.left() > 0) {
        const std::uint16_t type = handshake.u16();
        const std::uint16_t length = handshake.u16();
        if (handshake.is_short() || length > handshake.left()) return Name::broken;
        if (type == server_name_extension) return read_server_name(handshake, length, room, first);
        handshake.skip(length);
    }
    return Name::none;
}

Name read_client_hello(ByteView records, std::size_t length, std::span<char> room, FirstBytes &first) {
    Handshake handshake(records);
    handshake.skip(4); // type and length
    handshake.limit(length);
    handshake.skip(2 + 32);          // version, random
    handshake.skip(handshake.u8());  // session id
    handshake.skip(handshake.u16()); // cipher suites
    handshake.skip(handshake.u8());  // compression methods
    if (!handshake.is_short() && handshake.left() == 0) return Name::none;
    const std::uint16_t extensions = handshake.u16();
    if (handshake.is_short() || extensions != handshake.left()) return Name::broken;
    return find_server_name(handshake, room, first);
}

} // namespace

void look_at_client_hello(ByteView bytes, bool more_may_come, std::span<char> room, FirstBytes &first) {
    std::size_t length = 0;
    first.sight = measure(bytes, length);
    if (first.sight == Sight::other || (first.sight == Sight::incomplete && more_may_come)) return;
    const bool whole = first.sight == Sight::tls;
    const Name name = read_client_hello(bytes, length, room, first);
    const bool can_tell = name == Name::found || (whole && name == Name::none);
    first.sight = can_tell ? Sight::tls : Sight::other;
}

} // namespace itk2::plan
