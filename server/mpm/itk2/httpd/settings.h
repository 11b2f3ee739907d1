// What it is: what the configuration says, as plain numbers, for the roles. No httpd type.
#pragma once

#include "base/ids.h"
#include "base/pool_limits.h"
#include "plan/identity.h"

#include <sys/types.h>

#include <cstdint>

namespace itk2::httpd {

// How a parser is kept from becoming anybody but who the master grants.
enum class Confinement : std::uint8_t {
    name_space,   // a user namespace of its own, whose id maps only the master writes
    capabilities, // none but SETUID and SETGID, and those everywhere: a weaker tier
};

struct Settings {
    // How the server was started, and what for.
    bool started_as_root = false;
    bool has_set_uid_programs = false;  // of some identity: SetUidPrograms
    bool lacks_set_uid_programs = true; // of some other
    bool needs_parsers = false;         // some virtual host's identity is only known when a request is
    bool finds_owners = false;          // and that is the owner of the request's document root

    // Numbers of processes. After check_config: 1 <= start_spares, 1 <= min_spares < max_spares,
    // 1 <= max_workers <= slot_limit.
    std::uint32_t start_spares = 5;
    std::uint32_t min_spares = 5;
    std::uint32_t max_spares = 10;
    std::uint32_t max_workers = 256;
    std::uint32_t slot_limit = 256;               // ServerLimit: places in the scoreboard
    std::uint32_t pool_max_workers = 0;           // per identity; after check_config never 0, at most max_workers
    std::uint32_t max_connections_per_worker = 0; // MaxConnectionsPerChild; 0: no limit
    std::uint32_t listener_count = 1;

    // Shared memory of modules that is kept for identities without a worker, in bytes together; unless it is said: as much
    // as modules have of it.
    bool says_kept_memory = false;
    std::uint64_t kept_memory = 0;

    // Waits.
    std::uint32_t head_timeout_ms = 40'000;
    std::uint32_t queue_limit = 1024; // connections that wait for a worker, per pool
    std::uint32_t queue_timeout_ms = 30'000;
    std::uint32_t worker_idle_ms = 300'000;
    std::uint32_t keepalive_wait_ms = 5;
    std::uint32_t name_lookup_timeout_ms = 5'000;
    std::uint32_t name_cache_s = 60;

    // Accounts; all of them the running user's where not started as root.
    uid_t listener_uid = 0;
    gid_t listener_gid = 0;
    uid_t spare_uid = 0;
    gid_t spare_gid = 0;
    uid_t parser_uid = 0;
    gid_t parser_gid = 0;
    Confinement parser_confinement = Confinement::name_space;

    const char *listener_program = ""; // resolved, and trusted; memory of the configuration
};

// What the programs may gain that an identity's processes start.
struct Privileges {
    bool set_uid_programs = false;  // what the system gives set-uid programs; else nothing
    bool no_new_privileges = false; // and they are told so: no_new_privs
    friend constexpr bool operator==(Privileges, Privileges) = default;
};
Privileges privileges_of(IdentityKey key);
// A set-uid program that PHP's mail() starts where such programs gain nothing, as far as the configuration says; or null.
const char *find_set_uid_mailer();

// In force since check_config of this generation.
const Settings &settings();

// Every identity a configuration has named so far; keys are 0 to identity_count() - 1. A spare knows those that
// there were at its fork.
std::uint32_t identity_count();
bool is_identity(IdentityKey key);
// Only for a key that is_identity() affirms. Its memory lives as long as the master.
plan::Identity identity(IdentityKey key);

// What its pool may take; 0: no limit. Of any key.
PoolLimits pool_limits(IdentityKey key);
// What the kernel has to keep limits with, for all pools together.
Controllers needed_controllers();

} // namespace itk2::httpd
