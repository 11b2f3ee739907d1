// What it is: what each server's own level says it runs as: the precedence of AssignUserID, IdentityMode and httpd's
// User and Group, and the supplementary groups. Runs as: the master, while the configuration is read.
#pragma once

#include "httpd/apache.h"
#include "httpd/sources.h"

#include <apr_hash.h>

namespace itk2::httpd {

class OwnSources {
  public:
    // `pconf`: what is found lives as long as the configuration.
    OwnSources(apr_pool_t *pconf, apr_pool_t *ptemp, bool started_as_root)
        : pconf_(pconf),
          ptemp_(ptemp),
          started_as_root_(started_as_root),
          owners_(apr_hash_make(ptemp)),
          known_groups_(apr_hash_make(ptemp)) {}

    // Chooses `config.own`; null where it is for each request to say. False after a line in the log.
    bool choose(server_rec *server, ServerConfig &config);
    // The user's own supplementary groups, into `named`. `where`: for the line in the log.
    bool find_groups_of(NamedIdentity &named, const char *where);
    // What is served where nothing of ours says otherwise: httpd's User and Group, or, not started as root, what this
    // process is. Null after a line in the log, about `server`.
    NamedIdentity *fallback(const server_rec *server);

  private:
    bool take_named(server_rec *server, ServerConfig &config, NamedIdentity *named);
    bool take_owner(server_rec *server, ServerConfig &config);
    bool take_suexec(server_rec *server, ServerConfig &config, NamedIdentity *inherited);
    NamedIdentity *user_and_group(const server_rec *server);
    NamedIdentity *running();
    NamedIdentity *made(const char *directive, const server_rec *server, uid_t uid, gid_t gid);

    apr_pool_t *pconf_;
    apr_pool_t *ptemp_;
    bool started_as_root_;
    apr_hash_t *owners_;       // uid -> Account, for many document roots of one owner
    apr_hash_t *known_groups_; // "user gid" -> the groups, for many sections of one user
    NamedIdentity *fallback_ = nullptr;
};

} // namespace itk2::httpd
