// What it is: what the directives have said so far, on its way from directives.cc to config.cc, and what check_config
// has made of it.
#pragma once

#include "httpd/accounts.h"
#include "httpd/config.h"
#include "httpd/settings.h"
#include "httpd/sources.h"

#include <apr_hash.h>
#include <apr_tables.h>

namespace itk2::httpd {

struct ConfigState {
    Settings settings;
    bool names_listeners = false; // ListenerProcesses
    OwnAccounts accounts;
    const char *listener_program = nullptr;
    bool capabilities_wanted = true;                // EnableCapabilities
    apr_array_header_t *networks = nullptr;         // of plan::Network: RerouteFrom
    apr_array_header_t *shares_memory_of = nullptr; // of const char *: ShareMemoryOf
    bool names_status_readers = false;              // ShowStatusTo
    apr_array_header_t *status_readers = nullptr;   // of std::uint32_t
    // Names that stand in the configuration, and their ids as they were when it was read.
    apr_hash_t *users = nullptr;
    apr_hash_t *groups = nullptr;

    // After check_config.
    const char *id_writer = nullptr;         // the module that says what requests run as; null: none does
    std::span<ServerConfig *const> vhosts;   // by VhostIndex
    const NamedIdentity *fallback = nullptr; // httpd's User and Group; null where no request can come to need them
    std::span<const bool> may_be_asked;      // by IdentityKey
    std::span<const Privileges> privileges;  // by IdentityKey
    Privileges found_privileges;             // of those that only requests tell
    std::uint64_t nice_values = 0;           // a bit for each value from -20 on
    std::span<const PoolLimits> limits;      // by IdentityKey
    PoolLimits usual_limits;                 // of identities found for a request
    Controllers controllers = 0;             // for all of them together
};

ConfigState &config_state();

// Null where the configuration does not have the name.
const std::uint32_t *known_user(const char *name);
const std::uint32_t *known_group(const char *name);

} // namespace itk2::httpd
