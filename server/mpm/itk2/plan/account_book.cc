// What it is: see account_book.h.
#include "plan/account_book.h"

#include <algorithm>

namespace itk2::plan {

void AccountBook::add(Entries &entries, std::string_view name, std::uint32_t id, gid_t gid) {
    const auto place = static_cast<std::uint32_t>(names_.size());
    const auto order = static_cast<std::uint32_t>(entries.size());
    names_.add_all({name.data(), name.size()});
    names_.add('\0');
    entries.add({place, static_cast<std::uint32_t>(name.size()), id, gid, order});
}

void AccountBook::sort_by_name(Entries &entries) {
    const auto all = entries.items();
    std::sort(all.begin(), all.end(), [this](const Entry &a, const Entry &b) {
        const int order = name_of(a).compare(name_of(b));
        return order != 0 ? order < 0 : a.order < b.order;
    });
}

bool AccountBook::finish() {
    users_by_id_.add_all(users_.items());
    for (const Entries *entries : {&users_, &users_by_id_, &groups_, &members_})
        if (entries->has_failed()) return false;
    if (names_.has_failed() || names_.size() > UINT32_MAX) return false;
    for (Entries *entries : {&users_, &groups_, &members_}) sort_by_name(*entries);
    const auto by_id = users_by_id_.items();
    std::sort(by_id.begin(), by_id.end(),
              [](const Entry &a, const Entry &b) { return a.id != b.id ? a.id < b.id : a.order < b.order; });
    return true;
}

std::size_t AccountBook::first_of(const Entries &entries, std::string_view name) const {
    const auto all = entries.items();
    const auto found =
        std::lower_bound(all.begin(), all.end(), name,
                         [this](const Entry &entry, std::string_view text) { return name_of(entry) < text; });
    return static_cast<std::size_t>(found - all.begin());
}

std::optional<AccountBook::User> AccountBook::find_user(std::string_view name) const {
    const std::size_t at = first_of(users_, name);
    if (at == users_.size() || name_of(users_.items()[at]) != name) return std::nullopt;
    return user_of(users_.items()[at]);
}

std::optional<AccountBook::User> AccountBook::find_user(uid_t uid) const {
    const auto all = users_by_id_.items();
    const auto found = std::lower_bound(all.begin(), all.end(), uid,
                                        [](const Entry &entry, uid_t wanted) { return entry.id < wanted; });
    if (found == all.end() || found->id != uid) return std::nullopt;
    return user_of(*found);
}

std::optional<gid_t> AccountBook::find_group(std::string_view name) const {
    const std::size_t at = first_of(groups_, name);
    if (at == groups_.size() || name_of(groups_.items()[at]) != name) return std::nullopt;
    return groups_.items()[at].id;
}

namespace {

constexpr std::string_view blanks = " \t\r";

// Takes the first part off `text` that ends with one of `ends`.
std::string_view take_until(std::string_view &text, std::string_view ends) {
    const std::size_t end = std::min(text.find_first_of(ends), text.size());
    const std::string_view taken(text.data(), end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return taken;
}

std::string_view next_word(std::string_view &line) {
    line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    return take_until(line, blanks);
}

std::optional<FurtherServices> read_services(std::string_view line, bool may_merge) {
    if (next_word(line) != "files") return std::nullopt;
    FurtherServices services;
    for (std::string_view word = next_word(line); !word.empty(); word = next_word(line)) {
        if (may_merge && services.count == 0 && word == "[SUCCESS=merge]") continue;
        if (word.find_first_of("[]=") != std::string_view::npos || services.count == FurtherServices::most)
            return std::nullopt;
        services.names[services.count++] = word;
    }
    return services;
}

} // namespace

std::optional<FurtherServices> services_behind_files(std::string_view nsswitch, std::string_view database,
                                                     bool may_merge) {
    std::optional<FurtherServices> services;
    bool is_named = false;
    while (!nsswitch.empty()) {
        std::string_view whole = take_until(nsswitch, "\n");
        std::string_view line = take_until(whole, "#");
        std::string_view name = take_until(line, ":");
        if (next_word(name) != database) continue;
        if (is_named) return std::nullopt;
        is_named = true;
        services = read_services(line, may_merge);
    }
    return services;
}

} // namespace itk2::plan
