// What it is: the check of a chain and the lookups in it.
// Distrusts: the bytes until checked; a client's host and path always.
#include "plan/route_chain.h"

#include "base/ascii.h"

#include <algorithm>
#include <bit>

namespace itk2::plan {
namespace {

template <typename T> bool fits(ByteView chain, ChainRun run) {
    return run.offset % alignof(T) == 0 && run.offset <= chain.size() &&
           run.count <= (chain.size() - run.offset) / sizeof(T);
}

bool fits(ByteView chain, ChainText text) {
    return text.offset <= chain.size() && text.length <= chain.size() - text.offset;
}

template <typename T> std::span<const T> items(ByteView chain, ChainRun run) {
    return {reinterpret_cast<const T *>(chain.data() + run.offset), run.count};
}

const ChainHead &head_of(ByteView chain) { return *reinterpret_cast<const ChainHead *>(chain.data()); }

std::string_view view(ByteView chain, ChainText text) {
    return {reinterpret_cast<const char *>(chain.data() + text.offset), text.length};
}

bool are_sound_slots(ByteView chain, ChainRun run) {
    if (!fits<ChainSlot>(chain, run) || (run.count != 0 && !std::has_single_bit(run.count))) return false;
    const auto slots = items<ChainSlot>(chain, run);
    return std::all_of(slots.begin(), slots.end(), [chain](const ChainSlot &slot) {
        return slot.position == no_position ||
               (slot.position < head_of(chain).candidates.count && fits(chain, slot.text));
    });
}

bool are_sound_items(ByteView chain, ChainRun run) {
    if (!fits<ChainItem>(chain, run)) return false;
    const auto all = items<ChainItem>(chain, run);
    return std::all_of(all.begin(), all.end(), [chain](const ChainItem &item) {
        return item.position < head_of(chain).candidates.count && fits(chain, item.text);
    });
}

std::uint32_t position_of(ByteView chain, ChainRun run, std::uint32_t hash, std::string_view text) {
    const auto slots = items<ChainSlot>(chain, run);
    for (std::uint32_t i = 0; i < run.count; i++) {
        const ChainSlot &slot = slots[(hash + i) & (run.count - 1)];
        if (slot.position == no_position) break;
        if (slot.hash == hash && equals_ignoring_case(text, view(chain, slot.text))) return slot.position;
    }
    return no_position;
}

bool stands_for(char pattern, char c) { return pattern == '?' || pattern == lower_case(c); }

// As ap_strcasecmp_match(): * stands for any run of characters, ? for any one. No recursion, and the end first,
// where most patterns are told apart, so that long hosts cost little.
bool matches(std::string_view text, std::string_view pattern) {
    for (; !pattern.empty() && pattern.back() != '*'; pattern.remove_suffix(1), text.remove_suffix(1))
        if (text.empty() || !stands_for(pattern.back(), text.back())) return false;
    if (pattern.empty()) return text.empty();

    std::size_t t = 0, p = 0;
    std::size_t after_star = std::string_view::npos, retry = 0;
    for (;;) {
        if (pattern[p] == '*') {
            after_star = ++p;
            retry = t;
            if (p == pattern.size()) return true;
        } else if (t < text.size() && stands_for(pattern[p], text[t])) {
            t++;
            p++;
        } else if (t < text.size() && after_star != std::string_view::npos) {
            p = after_star;
            t = ++retry;
        } else {
            return false;
        }
    }
}

std::uint32_t position_of_pattern(ByteView chain, std::string_view host, std::uint32_t before) {
    for (const ChainItem &item : items<ChainItem>(chain, head_of(chain).patterns)) {
        if (item.position >= before) break;
        if (matches(host, view(chain, item.text))) return item.position;
    }
    return before;
}

std::uint32_t position_of_host(ByteView chain, std::string_view host) {
    const ChainHead &head = head_of(chain);
    std::uint32_t hash = empty_hash;
    std::uint32_t first = no_position;
    for (std::size_t i = host.size(); i-- > 0;) {
        hash = hash_before(lower_case(host[i]), hash);
        if (host[i] == '.')
            first = std::min(first, position_of(chain, head.suffixes, hash, {host.data() + i, host.size() - i}));
    }
    first = std::min(first, position_of(chain, head.names, hash, host));
    first = position_of_pattern(chain, host, first);
    return first != no_position ? first : position_of(chain, head.address_texts, hash, host);
}

VhostIndex vhost_at(ByteView chain, std::uint32_t position) {
    if (position == no_position) return default_vhost(chain);
    return VhostIndex{items<std::uint32_t>(chain, head_of(chain).candidates)[position]};
}

// Whether the path is the ServerPath or below it.
bool is_under(std::string_view path, std::string_view server_path) {
    if (server_path.empty() || !path.starts_with(server_path)) return false;
    return server_path.ends_with('/') || path.size() == server_path.size() || path[server_path.size()] == '/';
}

} // namespace

std::string_view host_name(std::string_view host_as_sent) {
    std::string_view name = host_as_sent;
    while (!name.empty() && name.back() >= '0' && name.back() <= '9') name.remove_suffix(1);
    const bool has_port = name.size() > 1 && name.size() < host_as_sent.size() && name.back() == ':';
    if (has_port)
        name.remove_suffix(1);
    else
        name = host_as_sent;
    if (name.starts_with('[') && name.ends_with(']')) {
        name.remove_prefix(1);
        name.remove_suffix(1);
        if (name.find(':') != std::string_view::npos) return name;
    }
    if (name.ends_with('.')) name.remove_suffix(1);
    return name;
}

bool is_sound(ByteView chain, std::uint32_t vhost_count) {
    if (chain.size() < sizeof(ChainHead)) return false;
    const ChainHead &head = head_of(chain);
    if (head.default_vhost >= vhost_count || !fits<std::uint32_t>(chain, head.candidates)) return false;
    const auto candidates = items<std::uint32_t>(chain, head.candidates);
    return std::all_of(candidates.begin(), candidates.end(), [=](std::uint32_t v) { return v < vhost_count; }) &&
           are_sound_slots(chain, head.names) && are_sound_slots(chain, head.suffixes) &&
           are_sound_slots(chain, head.address_texts) && are_sound_items(chain, head.patterns) &&
           are_sound_items(chain, head.paths);
}

VhostIndex default_vhost(ByteView chain) { return VhostIndex{head_of(chain).default_vhost}; }

VhostIndex vhost_of_host(ByteView chain, std::string_view host_as_sent) {
    if (head_of(chain).candidates.count == 0) return default_vhost(chain);
    return vhost_at(chain, position_of_host(chain, host_name(host_as_sent)));
}

VhostIndex vhost_of_path(ByteView chain, std::string_view path) {
    if (path.empty()) path = "/";
    for (const ChainItem &item : items<ChainItem>(chain, head_of(chain).paths))
        if (is_under(path, view(chain, item.text))) return vhost_at(chain, item.position);
    return default_vhost(chain);
}

} // namespace itk2::plan
