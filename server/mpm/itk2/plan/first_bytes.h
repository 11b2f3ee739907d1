// What it is: what the first bytes of a connection, or of its next request, say about where it belongs.
// Pure: no system call, no allocation, no state; called again from the start when more bytes have come.
// Distrusts: every byte. What it finds is a hint; httpd decides again in the worker.
#pragma once

#include "base/bytes.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace itk2::plan {

enum class Sight : std::uint8_t {
    incomplete, // more bytes are needed
    http,       // a whole request head (or all of it that can matter) is there
    tls,        // a whole ClientHello is there
    other,      // neither; or too long or too broken to tell: httpd is to answer it
};

struct FirstBytes {
    Sight sight = Sight::incomplete;
    bool looks_like_tls = false;  // also while incomplete: the first byte (after PROXY) says so
    std::size_t proxy_length = 0; // length of the PROXY v1 or v2 header before it; 0 without
    bool has_host = false;        // Host field that is not empty, authority of an absolute request target, or SNI
    std::string_view host;        // as sent (may hold a port, upper case, a trailing dot), views into the bytes
    std::string_view path;        // request target's path, as sent; empty for TLS
    std::size_t head_length = 0;  // where the head ends that is whole, PROXY header included; 0: it is not, or is none
};

// `more_may_come`: false when the caller will not look at more than these bytes (its window is full, or the client
// has shut down its side); the answer is then never incomplete.
// `room`: where to put together an SNI name that the client split over two TLS records; the host then views into it.
// Without room such a name counts as none.
FirstBytes look(ByteView bytes, bool more_may_come, std::span<char> room = {});

} // namespace itk2::plan
