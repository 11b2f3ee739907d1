// What it is: the configuration: what each directive leaves behind, how it is checked, and what the door needs to
// register it. Runs as: the master. All of it is made anew at every reading; only keys of identities stay.
#pragma once

#include "httpd/apache.h"
#include "httpd/settings.h"
#include "plan/network.h"
#include "plan/wish.h"

#include <span>

namespace itk2::httpd {

// For the module record.
void *create_server_config(apr_pool_t *pool, server_rec *server);
void *merge_server_config(apr_pool_t *pool, void *base, void *own);
void *create_dir_config(apr_pool_t *pool, char *path);
void *merge_dir_config(apr_pool_t *pool, void *base, void *nearer);
extern const command_rec directives[];

// pre_config: forgets everything an earlier reading left. `pconf`: the configuration's pool.
void reset_config(apr_pool_t *pconf);

// check_config hook: resolves, checks, refuses, with one line in the log that says what, where and what to do.
// Whether this process may do what the configuration wants is asked only where the server is to run, not where somebody
// tests a configuration. OK, or HTTP_INTERNAL_SERVER_ERROR after the line is out. settings() and identity_of() hold from
// here on.
int check_config(apr_pool_t *pconf, apr_pool_t *ptemp, server_rec *main_server);

// What the server section's own level says; no_identity where only a request tells.
IdentityKey identity_of(const server_rec *server);
// Whether no section within it, nor a request, can make it anything else.
bool is_decided(const server_rec *server);
// For the route table: the identity of a decided server, else no_identity.
IdentityKey route_identity_of(const server_rec *server);
// How far what is learnt about a request to it goes; none for a decided server.
plan::HintScope hint_scope_of(const server_rec *server);
// What requests to the virtual host may ask for in numbers; nothing for an index there is not.
plan::GrantRule grant_rule(VhostIndex vhost);
// Whether a request may ask for this identity by its key: a virtual host that is not decided names it.
bool may_be_asked(IdentityKey key);
// Whether some section gives this nice value.
bool is_nice_configured(int nice);
// RerouteFrom.
std::span<const plan::Network> reroute_networks();
// MaxClientsVHost; 0: no limit.
std::uint32_t max_clients_of(const server_rec *server);

// What a virtual host is called in the log and in server-status.
struct VhostName {
    const char *name;
    std::uint16_t port; // of its first address, else its own
};
VhostName name_of(const server_rec *server);
// "name:port (file:line)"
const char *describe(apr_pool_t *pool, const server_rec *server);

} // namespace itk2::httpd
