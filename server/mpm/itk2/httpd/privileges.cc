// What it is: see privileges.h.
#include "httpd/privileges.h"

#include "httpd/config.h"
#include "httpd/config_state.h"
#include "httpd/log.h"

namespace itk2::httpd {
namespace {

struct Said {
    Privileges privileges;
    const server_rec *by = nullptr;
};

class Finder {
  public:
    explicit Finder(apr_pool_t *pool) : pool_(pool), keys_(identity_count()) {
        said_ = static_cast<Said *>(apr_pcalloc(pool, sizeof(Said) * (keys_ + 1)));
    }

    bool add(const server_rec *server) {
        const ServerConfig &config = *server_config(server);
        if (config.privileges.set_uid_programs && config.privileges.no_new_privileges) {
            log(LogId::privileges_contradict, describe(pool_, server));
            return false;
        }
        if (!note_key(server, config.own ? config.identity : no_identity)) return false;
        if (config.is_decided) return true;
        for (const InnerSection *inner = config.inner; inner; inner = inner->next)
            if (inner->config->named && !note_key(server, inner->config->named->key)) return false;
        return !config.finds_ids || note(server, said_[keys_], "users that only requests tell");
    }

    void finish(Settings &settings) {
        auto *all = static_cast<Privileges *>(apr_pcalloc(pool_, sizeof(Privileges) * (keys_ + 1)));
        settings.has_set_uid_programs = settings.lacks_set_uid_programs = false;
        for (std::uint32_t key = 0; key <= keys_; key++) {
            all[key] = said_[key].privileges;
            if (said_[key].by == nullptr) continue;
            (all[key].set_uid_programs ? settings.has_set_uid_programs : settings.lacks_set_uid_programs) = true;
        }
        config_state().privileges = {all, keys_};
        config_state().found_privileges = all[keys_];
    }

  private:
    bool note_key(const server_rec *server, IdentityKey key) {
        return number(key) >= keys_ || note(server, said_[number(key)], identity(key).name);
    }

    // The main server serves what no virtual host does: it follows where one has spoken.
    bool note(const server_rec *server, Said &said, const char *name) {
        const Privileges wanted = server_config(server)->privileges;
        if (said.by == nullptr) {
            said = {wanted, server};
            return true;
        }
        if (said.privileges == wanted || !server->is_virtual) return true;
        log(LogId::privileges_differ, describe(pool_, said.by), describe(pool_, server), name);
        return false;
    }

    apr_pool_t *pool_;
    std::uint32_t keys_;
    Said *said_; // by key; then those that only requests tell
};

} // namespace

bool find_privileges(apr_pool_t *pconf, server_rec *main_server, Settings &settings) {
    if (!settings.started_as_root) return true; // nothing is taken from what the running user may do
    Finder finder(pconf);
    for (const server_rec *server = main_server->next; server; server = server->next)
        if (!finder.add(server)) return false;
    if (!finder.add(main_server)) return false;
    finder.finish(settings);
    return true;
}

Privileges privileges_of(IdentityKey key) {
    const ConfigState &state = config_state();
    return number(key) < state.privileges.size() ? state.privileges[number(key)] : state.found_privileges;
}

} // namespace itk2::httpd
