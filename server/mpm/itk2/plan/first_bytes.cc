// What it is: skips a PROXY protocol header and tells TLS from HTTP.
// Distrusts: every byte.
#include "plan/first_bytes.h"

#include "plan/client_hello.h"
#include "plan/http_head.h"

#include <algorithm>
#include <array>

namespace itk2::plan {
namespace {

constexpr std::uint8_t tls_handshake = 0x16;
constexpr std::size_t longest_proxy_line = 107; // with its CRLF: haproxy's proxy-protocol.txt, 2.1
constexpr std::array<std::uint8_t, 12> proxy2_signature = {'\r', '\n', '\r', '\n', 0,   '\r',
                                                           '\n', 'Q',  'U',  'I',  'T', '\n'};

std::string_view text(ByteView bytes) { return {reinterpret_cast<const char *>(bytes.data()), bytes.size()}; }

// Cuts the next word off, up to a space or the end.
std::string_view next_word(std::string_view &line) {
    const std::size_t length = std::min(line.find(' '), line.size());
    const std::string_view word{line.data(), length};
    line.remove_prefix(std::min(length + 1, line.size()));
    return word;
}

bool is_address_or_port(std::string_view word) {
    return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '.' || c == ':';
    });
}

bool ends_as_request_line(std::string_view line) {
    constexpr std::size_t version_length = 9; // " HTTP/1.1"
    if (line.size() < version_length) return false;
    line.remove_prefix(line.size() - version_length);
    return line.starts_with(" HTTP/");
}

// `line`: what follows "PROXY ", without CRLF.
bool is_proxy1_content(std::string_view line) {
    const auto is_control = [](char c) {
        return static_cast<unsigned char>(c) < ' ' || c == 0x7f;
    };
    if (std::any_of(line.begin(), line.end(), is_control) || ends_as_request_line(line)) return false;
    const std::string_view family = next_word(line);
    if (family == "UNKNOWN") return true;
    if (family != "TCP4" && family != "TCP6") return false;
    for (int i = 0; i < 4; i++)
        if (!is_address_or_port(next_word(line))) return false;
    return line.empty();
}

// The length of the PROXY v1 header these bytes start with; 0 where there is none, or not yet all of it.
std::size_t proxy1_length(ByteView bytes) {
    constexpr std::string_view start = "PROXY ";
    std::string_view line = text(bytes.first(std::min(bytes.size(), longest_proxy_line)));
    if (!line.starts_with(start)) return 0;
    const std::size_t end = line.find('\n');
    if (end == std::string_view::npos || line[end - 1] != '\r') return 0;
    line.remove_suffix(line.size() - (end - 1));
    line.remove_prefix(start.size());
    return is_proxy1_content(line) ? end + 1 : 0;
}

bool may_start_proxy2(ByteView bytes) {
    const std::size_t length = std::min(bytes.size(), proxy2_signature.size());
    return length > 0 &&
           std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length), proxy2_signature.begin());
}

// Measures the PROXY v2 header that bytes for which may_start_proxy2() holds start with.
Sight look_at_proxy2(ByteView bytes, std::size_t &length) {
    ByteReader reader(bytes);
    reader.take(proxy2_signature.size());
    const std::uint8_t version_and_command = reader.u8();
    reader.u8(); // address family
    const std::uint16_t rest = reader.u16();
    if (reader.is_short()) return Sight::incomplete;
    if (version_and_command >> 4 != 2) return Sight::other;
    reader.take(rest);
    if (reader.is_short()) return Sight::incomplete;
    length = bytes.size() - reader.left();
    return Sight::http;
}

// Sets proxy_length; an answer other than http is final.
Sight skip_proxy_header(ByteView bytes, FirstBytes &first) {
    // A run of CRLFs may be either the signature's first half or blank lines before a request.
    if (may_start_proxy2(bytes)) return look_at_proxy2(bytes, first.proxy_length);
    first.proxy_length = proxy1_length(bytes);
    return Sight::http;
}

} // namespace

FirstBytes look(ByteView bytes, bool more_may_come, std::span<char> room) {
    FirstBytes first;
    const Sight proxy = skip_proxy_header(bytes, first);
    if (proxy != Sight::http) {
        const bool undecided = proxy == Sight::incomplete && more_may_come;
        first.sight = undecided ? Sight::incomplete : Sight::other;
        return first;
    }
    const ByteView rest = bytes.last(bytes.size() - first.proxy_length);
    first.looks_like_tls = !rest.empty() && rest[0] == tls_handshake;
    if (first.looks_like_tls)
        look_at_client_hello(rest, more_may_come, room, first);
    else
        look_at_http_head(text(rest), more_may_come, first);
    if (first.head_length > 0) first.head_length += first.proxy_length;
    return first;
}

} // namespace itk2::plan
