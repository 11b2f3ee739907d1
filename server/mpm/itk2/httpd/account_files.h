// What it is: the account database's answers out of files that are read once, where nsswitch.conf begins with "files"; so
// that ten thousand virtual hosts do not have them searched ten thousand times. "systemd" behind them is listed once, as
// it may be; what other services know, the C library is asked. No httpd type.
// Runs as: the master, while the configuration is read.
#pragma once

#include "base/growing_array.h"
#include "plan/account_book.h"

#include <nss.h>
#include <sys/types.h>

#include <cstdint>

namespace itk2::httpd {

class AccountFiles {
  public:
    // nsswitch.conf, passwd and group of this directory. What cannot be read is asked of the C library.
    explicit AccountFiles(const char *directory = "/etc");

    enum class Found : std::uint8_t {
        yes,
        no,      // nobody has it
        unknown, // ask the C library
    };
    Found find_user(const char *name, plan::AccountBook::User &user) const;
    Found find_user(uid_t uid, plan::AccountBook::User &user) const;
    Found find_group(const char *name, gid_t &gid) const;
    // Adds the groups that the user is a member of, in any order, perhaps twice; what further services say (nss_systemd
    // and the like) is asked of them. False: ask the C library.
    [[nodiscard]] bool find_groups(const char *user, gid_t gid, GrowingArray<gid_t> &groups) const;

  private:
    using AskForGroups = nss_status (*)(const char *user, gid_t gid, long *count, long *size, gid_t **groups,
                                        long limit, int *error);
    // How far the book tells one of the databases.
    struct Reach {
        bool begins = false;   // what it has is so
        bool is_whole = false; // and there is nothing else
    };
    bool read_users(const char *path);
    bool read_groups(const char *path);
    void add_services(std::string_view nsswitch);
    void add_user_service(std::string_view service);
    void add_group_service(std::string_view service);
    void add(const struct passwd &entry);
    void add(const struct group &entry);

    plan::AccountBook book_;
    Reach users_;
    Reach groups_;
    bool tells_memberships_ = false;
    std::array<AskForGroups, plan::FurtherServices::most> services_{};
    std::size_t service_count_ = 0;
};

} // namespace itk2::httpd
