// What it is: users, groups and memberships as /etc/passwd and /etc/group have them, found in a few steps however many
// there are; and which of them nsswitch.conf lets those files tell. Of several entries with one name or number the first
// is found, as the C library does. Pure; the memory is malloc's.
#pragma once

#include "base/growing_array.h"

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace itk2::plan {

class AccountBook {
  public:
    struct User {
        std::string_view name; // ends with a 0 byte
        uid_t uid;
        gid_t gid;
    };

    void add_user(std::string_view name, uid_t uid, gid_t gid) { add(users_, name, uid, gid); }
    void add_group(std::string_view name, gid_t gid) { add(groups_, name, gid, gid); }
    void add_member(std::string_view user, gid_t gid) { add(members_, user, gid, gid); }
    // After all have been added, and before any is looked for. False when memory was short.
    [[nodiscard]] bool finish();

    [[nodiscard]] std::optional<User> find_user(std::string_view name) const;
    [[nodiscard]] std::optional<User> find_user(uid_t uid) const;
    [[nodiscard]] std::optional<gid_t> find_group(std::string_view name) const;
    // visit(gid_t) for every group that names this user a member.
    template <typename Visit> void each_group_of(std::string_view user, Visit visit) const {
        const auto members = members_.items();
        for (std::size_t i = first_of(members_, user); i < members.size() && name_of(members[i]) == user; i++)
            visit(members[i].id);
    }

  private:
    struct Entry {
        std::uint32_t name; // its place in names_
        std::uint32_t length;
        std::uint32_t id;
        gid_t gid;
        std::uint32_t order;
    };
    using Entries = GrowingArray<Entry>;

    void add(Entries &entries, std::string_view name, std::uint32_t id, gid_t gid);
    void sort_by_name(Entries &entries);
    [[nodiscard]] std::size_t first_of(const Entries &entries, std::string_view name) const;
    [[nodiscard]] std::string_view name_of(const Entry &entry) const {
        return {names_.items().data() + entry.name, entry.length};
    }
    [[nodiscard]] User user_of(const Entry &entry) const { return {name_of(entry), entry.id, entry.gid}; }

    GrowingArray<char> names_;
    Entries users_;
    Entries users_by_id_;
    Entries groups_;
    Entries members_;
};

// The services that nsswitch.conf names behind "files".
struct FurtherServices {
    static constexpr std::size_t most = 4;
    std::array<std::string_view, most> names; // in the text
    std::size_t count = 0;
};

// Nothing where the database does not begin with "files", or says something about it that is not understood here: then
// only the C library knows the order. `may_merge`: "[SUCCESS=merge]" behind "files" is understood.
std::optional<FurtherServices> services_behind_files(std::string_view nsswitch, std::string_view database,
                                                     bool may_merge);

} // namespace itk2::plan
