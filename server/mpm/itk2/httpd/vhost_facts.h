// What it is: what follows for each server from its own level and the sections within: whether its identity is known
// before a request is, how far what is learnt goes, and what requests may ask for.
// Runs as: the master, while the configuration is read, after resolve_identities.
#pragma once

#include "httpd/apache.h"
#include "httpd/settings.h"

namespace itk2::httpd {

void find_vhost_facts(apr_pool_t *pconf, server_rec *main_server, Settings &settings);

// What can't be without root; null, or what it is, with its place, in `directive`, `place` and `name`.
struct NeedsRoot {
    const char *place = nullptr;
    const char *directive = nullptr;
    const char *name = nullptr;
};
// Whether everything in the configuration is what this process is anyway.
bool is_all_running_user(apr_pool_t *ptemp, server_rec *main_server, NeedsRoot &first);

} // namespace itk2::httpd
