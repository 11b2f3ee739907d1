// Any bytes at all, looked at whole and in pieces: never outside them, never another answer once one was given.
#include "requiring.h"

#include "plan/first_bytes.h"

#include <array>

using namespace itk2;
using namespace itk2::testing;
using namespace itk2::plan;

namespace {

bool is_inside(std::string_view part, const void *whole, std::size_t size) {
    const auto start = reinterpret_cast<std::uintptr_t>(whole);
    const auto place = reinterpret_cast<std::uintptr_t>(part.data());
    return place >= start && place + part.size() <= start + size;
}

using Room = std::array<char, 255>;

FirstBytes look_checked(ByteView bytes, bool more_may_come, Room &room) {
    const FirstBytes first = look(bytes, more_may_come, room);
    require(first.proxy_length <= bytes.size());
    require(more_may_come || first.sight != Sight::incomplete);
    require(first.host.empty() || is_inside(first.host, bytes.data(), bytes.size()) ||
            is_inside(first.host, room.data(), room.size()));
    require(first.path.empty() || is_inside(first.path, bytes.data(), bytes.size()));
    require(first.has_host || first.host.empty());
    const bool tells_nothing = first.sight == Sight::incomplete || first.sight == Sight::other;
    require(!tells_nothing || (!first.has_host && first.path.empty()));
    require(first.sight != Sight::tls || (first.looks_like_tls && first.path.empty()));
    require(first.head_length <= bytes.size() && (first.head_length == 0 || first.head_length > first.proxy_length));
    require(first.head_length == 0 || first.sight == Sight::http);
    return first;
}

bool equal(const FirstBytes &a, const FirstBytes &b) {
    return a.sight == b.sight && a.looks_like_tls == b.looks_like_tls && a.proxy_length == b.proxy_length &&
           a.has_host == b.has_host && a.host == b.host && a.path == b.path && a.head_length == b.head_length;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const ByteView bytes{data, size};
    Room room, other_room;
    const FirstBytes whole = look_checked(bytes, true, room);
    const FirstBytes last = look_checked(bytes, false, other_room);
    require(whole.sight == Sight::incomplete || equal(whole, last));

    if (whole.head_length > 0) { // no byte of it too much, and none that follows has a part in it
        require(equal(whole, look_checked(bytes.first(whole.head_length), true, other_room)));
        require(look_checked(bytes.first(whole.head_length - 1), true, other_room).sight == Sight::incomplete);
    }

    const std::size_t step = 1 + size / 64;
    for (std::size_t length = 0; length < size; length += step) {
        const FirstBytes early = look_checked(bytes.first(length), true, other_room);
        require(early.sight == Sight::incomplete || equal(early, whole));
        require(!early.looks_like_tls || whole.looks_like_tls);
        require(early.proxy_length == 0 || early.proxy_length == whole.proxy_length);
    }
    return 0;
}
