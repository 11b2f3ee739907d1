// What it is: what can be told from the text of an expression that yields a user or a group, and of what it yielded.
// Pure. Distrusts: what an expression yields, which a client may have chosen.
#pragma once

#include "base/ascii.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace itk2::plan {

enum class NameFault : std::uint8_t { none, empty, too_long, control_character };

inline constexpr std::size_t longest_name = 255;

// Whether this may be looked up as a name, or read as #NUMBER, at all.
constexpr NameFault fault_of_name(std::string_view name) {
    if (name.empty()) return NameFault::empty;
    if (name.size() > longest_name) return NameFault::too_long;
    for (const char c : name)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return NameFault::control_character;
    return NameFault::none;
}

// Whether requests with the same host get the same from it: its only variables are those of the host. Of anything else
// (functions, the environment, $1, escapes) it says no, though that may be so.
constexpr bool is_by_host_only(std::string_view text) {
    constexpr std::string_view of_the_host[] = {"http_host}", "server_name}", "http:host}", "req:host}"};
    while (!text.empty()) {
        if (text.front() == '$' || text.front() == '\\') return false;
        const bool is_variable = text.starts_with("%{");
        text.remove_prefix(is_variable ? 2 : 1);
        if (!is_variable) continue;
        std::size_t length = 0;
        for (const std::string_view name : of_the_host)
            if (text.size() >= name.size() && equals_ignoring_case({text.data(), name.size()}, name))
                length = name.size();
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

static_assert(is_by_host_only("%{HTTP_HOST}") && is_by_host_only("u-%{SERVER_NAME}-x") && is_by_host_only("www-data"));
static_assert(is_by_host_only("%{HTTP:Host}%{http_host}") && is_by_host_only(""));
static_assert(!is_by_host_only("%{REQUEST_URI}") && !is_by_host_only("%{HTTP_HOST}%{reqenv:X}"));
static_assert(!is_by_host_only("%{env:X}") && !is_by_host_only("$1") && !is_by_host_only("%{HTTP_HOST") &&
              !is_by_host_only("%{HTTP_HOSTS}") && !is_by_host_only("%{HTTP:Hosts}") && !is_by_host_only("\\045{X}"));

} // namespace itk2::plan
