// What it is: a request's place, hashed.
#include "plan/hint_key.h"

#include "base/ascii.h"
#include "plan/route_chain.h"

#include <algorithm>

namespace itk2::plan {
namespace {

enum class Kind : std::uint8_t { host = 1, place, path, tls };

Kind kind_of(HintScope scope) {
    if (scope == HintScope::host) return Kind::host;
    return scope == HintScope::place ? Kind::place : Kind::path;
}

void add_number(SipHash &hash, std::uint64_t number) {
    for (int byte = 0; byte < 8; byte++) hash.add(static_cast<std::uint8_t>(number >> 8 * byte));
}

} // namespace

std::string_view path_place(std::string_view path) {
    const std::size_t last = path.rfind('/') + 1; // 0 where there is none
    std::string_view name = path;
    name.remove_prefix(last);
    const bool is_file = name.find('.') != std::string_view::npos && name.find('%') == std::string_view::npos;
    return {path.data(), is_file && name != ".." ? last : path.size()};
}

HintKey hint_key(const SipKey &secret, VhostIndex vhost, HintScope scope, const FirstBytes &first) {
    const bool is_tls = first.sight == Sight::tls;
    if (scope == HintScope::none || (!is_tls && first.sight != Sight::http)) return no_hint;
    if (is_tls && scope != HintScope::host) return no_hint;
    const Kind kind = is_tls ? Kind::tls : kind_of(scope);
    // A request without a host is told from one with an empty one: ServerPath counts for it only.
    const std::string_view host = first.has_host ? host_name(first.host) : std::string_view();
    SipHash hash(secret);
    hash.add(static_cast<std::uint8_t>(kind));
    hash.add(first.has_host ? 1 : 0);
    add_number(hash, number(vhost));
    add_number(hash, host.size());
    for (const char c : host) hash.add(static_cast<std::uint8_t>(lower_case(c)));
    const std::string_view path = first.path.empty() ? "/" : first.path;
    if (kind == Kind::place || kind == Kind::path)
        for (const char c : kind == Kind::place ? path_place(path) : path) hash.add(static_cast<std::uint8_t>(c));
    return HintKey{std::max<std::uint64_t>(hash.finish(), 1)};
}

} // namespace itk2::plan
