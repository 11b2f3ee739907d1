// What it is: the configuration: what each directive leaves behind, how it is checked, and what the door needs to
// register it. Runs as: the master. All of it is made anew at every reading; only keys of identities stay.
#pragma once

#include "httpd/apache.h"
#include "httpd/settings.h"

namespace itk2::httpd {

// What stands in one server section.
struct ServerConfig {
    const char *user = nullptr; // AssignUserID: the account's name, or "#1234" where it has none; null: not set
    uid_t uid = 0;
    gid_t gid = 0;
    bool has_account = false; // there is a passwd entry: the account's supplementary groups count
    bool has_nice = false;
    int nice = 0;
    bool has_max_clients = false;
    std::uint32_t max_clients = 0;
    bool has_uid_range = false;
    plan::IdRange uid_range;
    bool has_gid_range = false;
    plan::IdRange gid_range;
    IdentityKey identity = no_identity; // after check_config
};

// For the module record.
void *create_server_config(apr_pool_t *pool, server_rec *server);
void *merge_server_config(apr_pool_t *pool, void *base, void *own);
extern const command_rec directives[];

// pre_config: forgets everything an earlier reading left. `pconf`: the configuration's pool.
void reset_config(apr_pool_t *pconf);

// check_config hook: resolves, checks, refuses, with one line in the log that says what, where and what to do.
// Whether this process may do what the configuration wants is asked only where the server is to run, not where somebody
// tests a configuration. OK, or HTTP_INTERNAL_SERVER_ERROR after the line is out. settings() and identity_of() hold from
// here on.
int check_config(apr_pool_t *pconf, apr_pool_t *ptemp, server_rec *main_server);

// What a virtual host runs as.
IdentityKey identity_of(const server_rec *server);
// MaxClientsVHost; 0: no limit.
std::uint32_t max_clients_of(const server_rec *server);

// "name:port (file:line)"
const char *describe(apr_pool_t *pool, const server_rec *server);

} // namespace itk2::httpd
