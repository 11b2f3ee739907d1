// What it is: see pool_limits.h.
#include "httpd/pool_limits.h"

#include "httpd/config_state.h"
#include "httpd/log.h"
#include "httpd/pool_directives.h"
#include "os/cgroup_place.h"

#include <sys/resource.h>

#include <new>

namespace itk2::httpd {

namespace {

constexpr std::size_t limit_count = static_cast<std::size_t>(Limit::count_);

using Givers = std::array<const PoolLimitGiven *, limit_count>;

class Settling {
  public:
    Settling(apr_pool_t *pconf, apr_pool_t *ptemp, server_rec *main_server)
        : ptemp_(ptemp), main_(main_server), keys_(identity_count()) {
        for (std::size_t i = 0; i < limit_count; i++) usual_.values[i] = server_config(main_server)->limits[i].value;
        by_key_ = static_cast<PoolLimits *>(apr_palloc(pconf, (keys_ + 1) * sizeof(PoolLimits)));
        givers_ = static_cast<Givers *>(apr_pcalloc(ptemp, (keys_ + 1) * sizeof(Givers)));
        for (std::uint32_t key = 0; key < keys_; key++) new (by_key_ + key) PoolLimits{usual_};
    }

    bool run() {
        for (server_rec *server = main_->next; server; server = server->next)
            for (std::size_t i = 0; i < limit_count; i++)
                if (server_config(server)->limits[i].server == server && !take(server, i)) return false;
        if (!check_files()) return false;
        config_state().usual_limits = usual_;
        config_state().limits = {by_key_, keys_};
        config_state().controllers = controllers_for(usual_);
        for (const PoolLimits &limits : config_state().limits)
            config_state().controllers = static_cast<Controllers>(config_state().controllers | controllers_for(limits));
        return true;
    }

  private:
    static const char *name_of(std::size_t place) { return directive_of(static_cast<Limit>(place)); }

    bool refuse(LogId id, const PoolLimitGiven &given, std::size_t place, const char *other) {
        log(id, describe(ptemp_, given.server), name_of(place), given.place, other);
        return false;
    }

    // What one virtual host says holds for all of its identity's.
    bool take(const server_rec *server, std::size_t place) {
        const ServerConfig &config = *server_config(server);
        const PoolLimitGiven &given = config.limits[place];
        if (is_by_request(server)) return refuse(LogId::limits_by_request, given, place, "");
        const std::uint32_t key = number(config.identity);
        const PoolLimitGiven *&giver = givers_[key][place];
        if (giver != nullptr && giver->value != given.value)
            return refuse(LogId::limits_differ, given, place,
                          apr_psprintf(ptemp_, "%s at %s", describe(ptemp_, giver->server), giver->place));
        giver = &given;
        by_key_[key].values[place] = given.value;
        return true;
    }

    // No worker may raise its limit above the server's own.
    bool check_files() {
        rlimit own{};
        getrlimit(RLIMIT_NOFILE, &own);
        std::uint64_t most = usual_[Limit::files];
        for (std::uint32_t key = 0; key < keys_; key++)
            if (by_key_[key][Limit::files] > most) most = by_key_[key][Limit::files];
        if (most <= own.rlim_max) return true;
        log(LogId::files_refused, static_cast<unsigned>(most), static_cast<unsigned long long>(own.rlim_max));
        return false;
    }

    apr_pool_t *ptemp_;
    server_rec *main_;
    std::uint32_t keys_;
    PoolLimits usual_;
    PoolLimits *by_key_;
    Givers *givers_;
};

} // namespace

bool settle_pool_limits(apr_pool_t *pconf, apr_pool_t *ptemp, server_rec *main_server) {
    return Settling{pconf, ptemp, main_server}.run();
}

bool check_pool_limits() {
    os::CgroupPlace place;
    const Controllers needed = needed_controllers();
    if (needed == 0) return true;
    const Result result = os::find_cgroup_place(needed, place);
    if (result.ok()) return true;
    log(LogId::limits_not_possible, step_name(result.step), error_words(result), result.error);
    return false;
}

PoolLimits pool_limits(IdentityKey key) {
    const ConfigState &state = config_state();
    PoolLimits limits = number(key) < state.limits.size() ? state.limits[number(key)] : state.usual_limits;
    // Where one pool's share is measured, all are.
    if ((needed_controllers() & cpu_controller) != 0 && limits[Limit::weight] == 0)
        limits[Limit::weight] = usual_weight;
    return limits;
}

Controllers needed_controllers() { return config_state().controllers; }

} // namespace itk2::httpd
