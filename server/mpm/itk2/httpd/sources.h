// What it is: where a request's identity comes from, as the directives of one section say it, and what check_config
// makes of it for each server. The parts merge as mpm-itk's do: user and group, the uid's expression, the gid's
// expression and the nice value each for itself; an expression stays above any user and group, however near those are.
#pragma once

#include "base/pool_limits.h"
#include "httpd/apache.h"
#include "httpd/settings.h"
#include "plan/identity.h"
#include "plan/wish.h"

#include "ap_expr.h"

namespace itk2::httpd {

// An identity that is known when the configuration is read, and who says so.
struct NamedIdentity {
    const char *directive = "User";     // as the administrator wrote it
    const char *place = nullptr;        // "file:line"; null: no directive of ours
    const server_rec *server = nullptr; // whose section it stands in
    bool is_inner = false;              // in Directory, Location, Files, If, Proxy
    bool has_account = false;           // there is a passwd entry: the account's supplementary groups count
    plan::Identity ids;                 // groups after check_config; nice: the section's own
    IdentityKey key = no_identity;      // after check_config
};

// AssignUserIDExpr, AssignGroupIDExpr.
struct IdExpression {
    const char *directive;
    const char *place;
    const char *text;
    const ap_expr_info_t *parsed;
};

// One section's part, or several merged.
struct DirConfig {
    NamedIdentity *named = nullptr;
    const IdExpression *uid = nullptr;
    const IdExpression *gid = nullptr;
    bool has_nice = false;
    int nice = 0;
    bool is_listed = false; // among its server's inner sections
};

// Lays what `nearer` says over `config`.
void merge_into(DirConfig &config, const DirConfig &nearer);

// An inner section with a directive of ours; all of one server in a list.
struct InnerSection {
    DirConfig *config;
    const char *place;     // of its first directive of ours
    plan::HintScope hints; // how far what it does to one request tells about others
    const InnerSection *next;
};

enum class IdentityMode : std::uint8_t { config, owner, request_owner, suexec };

// RGroups: instead of the user's own supplementary groups.
struct NamedGroups {
    const char *place;
    std::span<const gid_t> groups; // sorted, without duplicates; none at all for @none
};

// A limit of a pool, as one server section gives it.
struct PoolLimitGiven {
    const server_rec *server = nullptr; // whose section; null: nobody's
    const char *place = nullptr;
    std::uint64_t value = 0; // 0: no limit
};

// What stands in one server section; after check_config every server has one for itself.
struct ServerConfig {
    const server_rec *mode_server = nullptr; // where IdentityMode stands; null: nowhere
    const char *mode_place = nullptr;
    IdentityMode mode = IdentityMode::config;
    const NamedGroups *groups = nullptr;
    bool has_max_clients = false;
    std::uint32_t max_clients = 0;
    bool has_uid_range = false; // here or, after merging, above
    plan::IdRange uid_range;
    bool has_gid_range = false;
    plan::IdRange gid_range;
    bool has_set_uid_programs = false;
    bool has_no_new_privileges = false;
    Privileges privileges;
    const InnerSection *inner = nullptr;                                          // its own ones, last first
    std::array<PoolLimitGiven, static_cast<std::size_t>(Limit::count_)> limits{}; // never merged

    // After check_config.
    VhostIndex index{};
    const NamedIdentity *own = nullptr; // what its own level says; null where only a request tells
    IdentityKey identity = no_identity; // of `own`, with the nice value of this level
    int nice = 0;
    bool is_decided = true;
    bool finds_ids = false; // some request may run as ids that nothing names
    plan::HintScope hints = plan::HintScope::none;
};

ServerConfig *server_config(const server_rec *server);
// Null where no directive of ours stands.
DirConfig *dir_config(const ap_conf_vector_t *section);

// Whether only a request tells what the section's own level runs as. After check_config has found each one's `own`.
bool is_by_request(const server_rec *server);

} // namespace itk2::httpd
