// What it is: see identities.h.
#include "httpd/identities.h"

#include "httpd/accounts.h"
#include "httpd/config_state.h"
#include "httpd/identity_index.h"
#include "httpd/itk_config.h"
#include "httpd/lasting.h"
#include "httpd/log.h"
#include "httpd/own_sources.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

namespace itk2::httpd {

namespace {

// The line is out; the configuration is refused.
template <typename... Arguments> bool refuse(LogId id, Arguments... arguments) {
    log(id, arguments...);
    return false;
}

class Resolver {
  public:
    Resolver(apr_pool_t *pconf, apr_pool_t *ptemp, Settings &settings)
        : pconf_(pconf), ptemp_(ptemp), settings_(settings), sources_(pconf, ptemp, settings.started_as_root) {}

    bool run(server_rec *main_server) {
        read_account_files(ptemp_); // for IdentityMode, and where nothing names a user
        give_own_configs(main_server);
        return choose_own() && find_inner() && choose_accounts() && check_all() && enter_all();
    }

  private:
    // One server section.
    struct Vhost {
        server_rec *server;
        ServerConfig *config;
    };
    struct Ranges {
        plan::IdRange uids;
        plan::IdRange gids;
    };
    [[nodiscard]] std::span<Vhost> vhosts() const { return {vhosts_, count_}; }
    [[nodiscard]] const ServerConfig &main_config() const { return *vhosts_[0].config; }
    [[nodiscard]] const char *where(const Vhost &vhost) const { return describe(ptemp_, vhost.server); }

    void give_own_configs(server_rec *main_server);
    bool choose_own();
    bool find_inner();
    bool choose_accounts();
    bool find_accounts();
    void keep_accounts(const plan::Reserved &accounts);
    bool keep_from_user();
    bool check_all();
    bool check_own(const Vhost &vhost);
    bool check_inner(const Vhost &vhost, const InnerSection *sections);
    bool check_one(const NamedIdentity &named, const char *place, const Ranges &ranges);
    void complain(const NamedIdentity &named, const char *place, plan::Refusal refusal, const Ranges &ranges);
    bool enter_all();

    apr_pool_t *pconf_;
    apr_pool_t *ptemp_;
    Settings &settings_;
    OwnSources sources_;
    Vhost *vhosts_ = nullptr; // by VhostIndex
    std::size_t count_ = 0;
    plan::Reserved reserved_{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
};

// A section without a directive of ours shares the main server's, which can't say what is the section's own.
void Resolver::give_own_configs(server_rec *main_server) {
    std::size_t room = 0;
    for (const server_rec *server = main_server; server; server = server->next) room++;
    vhosts_ = static_cast<Vhost *>(apr_palloc(ptemp_, room * sizeof(Vhost)));
    auto **configs = static_cast<ServerConfig **>(apr_palloc(pconf_, room * sizeof(ServerConfig *)));
    for (server_rec *server = main_server; server; server = server->next) {
        ServerConfig *config = server_config(server);
        if (server != main_server && config == server_config(main_server)) {
            config = new (apr_palloc(pconf_, sizeof(ServerConfig))) ServerConfig{*config};
            config->inner = nullptr;
            ap_set_module_config(server->module_config, &mpm_itk2_module, config);
        }
        config->index = VhostIndex{static_cast<std::uint32_t>(count_)};
        configs[count_] = config;
        vhosts_[count_++] = {server, config};
    }
    config_state().vhosts = {configs, count_};
}

bool Resolver::choose_own() {
    for (const Vhost &vhost : vhosts()) {
        ServerConfig &config = *vhost.config;
        if (!sources_.choose(vhost.server, config)) return false;
        const DirConfig *section = dir_config(vhost.server->lookup_defaults);
        if (section && section->has_nice) config.nice = section->nice;
        if (is_by_request(vhost.server) && config.groups)
            return refuse(LogId::groups_refused, where(vhost), config.groups->place);
        if (!config.own && !(config_state().fallback = sources_.fallback(vhost.server))) return false;
        const plan::Identity &shown = config.own ? config.own->ids : config_state().fallback->ids;
        if (config_state().id_writer) give_itk_config(pconf_, vhost.server, shown);
    }
    return true;
}

bool Resolver::find_inner() {
    for (const Vhost &vhost : vhosts()) {
        for (const InnerSection *inner = vhost.config->inner; inner; inner = inner->next) {
            NamedIdentity *named = inner->config->named;
            if (!named) continue;
            if (inner->config->has_nice) named->ids.nice = inner->config->nice;
            if (!sources_.find_groups_of(*named, named->place)) return false;
        }
    }
    return true;
}

bool Resolver::choose_accounts() {
    settings_.listener_uid = settings_.spare_uid = settings_.parser_uid = geteuid();
    settings_.listener_gid = settings_.spare_gid = settings_.parser_gid = getegid();
    if (!settings_.started_as_root) return true;
    Lasting *last = lasting();
    if (last->has_accounts) {
        keep_accounts(last->accounts);
    } else {
        if (!find_accounts()) return false;
        last->accounts = reserved_;
        last->has_accounts = 1;
    }
    settings_.listener_uid = reserved_.listener_uid;
    settings_.listener_gid = reserved_.listener_gid;
    settings_.spare_uid = reserved_.spare_uid;
    settings_.spare_gid = reserved_.spare_gid;
    settings_.parser_uid = reserved_.parser_uid;
    settings_.parser_gid = reserved_.parser_gid;
    return keep_from_user();
}

bool Resolver::find_accounts() {
    apr_array_header_t *taken = apr_array_make(ptemp_, static_cast<int>(count_) + 1, sizeof(plan::Identity));
    APR_ARRAY_PUSH(taken, plan::Identity) = {ap_unixd_config.user_id, ap_unixd_config.group_id, {}, 0, ""};
    for (const Vhost &vhost : vhosts()) {
        if (vhost.config->own) APR_ARRAY_PUSH(taken, plan::Identity) = vhost.config->own->ids;
        for (const InnerSection *inner = vhost.config->inner; inner; inner = inner->next)
            if (inner->config->named) APR_ARRAY_PUSH(taken, plan::Identity) = inner->config->named->ids;
    }
    const std::span identities{reinterpret_cast<plan::Identity *>(taken->elts), static_cast<std::size_t>(taken->nelts)};
    const char *error = find_reserved(ptemp_, config_state().accounts, identities, reserved_);
    return error ? refuse(LogId::own_account_refused, error) : true;
}

// The listener outlives a restart, and its account with it.
void Resolver::keep_accounts(const plan::Reserved &accounts) {
    reserved_ = accounts;
    const auto differs = [&](const char *named, uid_t uid) {
        Account account;
        return named && !find_account(ptemp_, named, account) && account.uid != uid;
    };
    const OwnAccounts &named = config_state().accounts;
    if (differs(named.listener, accounts.listener_uid) || differs(named.spare, accounts.spare_uid) ||
        differs(named.parser, accounts.parser_uid))
        log(LogId::own_account_kept, accounts.listener_uid, accounts.spare_uid, accounts.parser_uid);
}

bool Resolver::keep_from_user() {
    struct Own {
        const char *directive;
        uid_t uid;
        gid_t gid;
    };
    for (const Own &own : {Own{"ListenerAccount", reserved_.listener_uid, reserved_.listener_gid},
                           Own{"SpareAccount", reserved_.spare_uid, reserved_.spare_gid},
                           Own{"ParserAccount", reserved_.parser_uid, reserved_.parser_gid}}) {
        if (own.uid != ap_unixd_config.user_id && own.gid != ap_unixd_config.group_id) continue;
        return refuse(LogId::own_account_refused,
                      apr_pstrcat(ptemp_, own.directive,
                                  " has the uid of User or the gid of Group, which are for sites; name another",
                                  nullptr));
    }
    return true;
}

bool Resolver::check_all() {
    const ServerConfig &main = main_config();
    for (const Vhost &vhost : vhosts()) {
        const ServerConfig &config = *vhost.config;
        if (!check_own(vhost) || !check_inner(vhost, config.inner)) return false;
        // The main server's sections are every virtual host's.
        const bool has_same_ranges = config.uid_range == main.uid_range && config.gid_range == main.gid_range;
        if (!has_same_ranges && !check_inner(vhost, main.inner)) return false;
    }
    return true;
}

// Ranges limit what is named for sites; User and Group are no site's choice. Root they may be only where the range has
// 0.
bool Resolver::check_own(const Vhost &vhost) {
    const ServerConfig &config = *vhost.config;
    if (!config.own) return true;
    const bool is_fallback = config.own->server == nullptr;
    if (is_fallback && !settings_.started_as_root) return true;
    const plan::IdRange any;
    const auto only_root = [&](plan::IdRange range) {
        return plan::IdRange{std::min(any.least, range.least), any.most};
    };
    const Ranges ranges = is_fallback ? Ranges{only_root(config.uid_range), only_root(config.gid_range)}
                                      : Ranges{config.uid_range, config.gid_range};
    return check_one(*config.own, where(vhost), ranges);
}

bool Resolver::check_inner(const Vhost &vhost, const InnerSection *sections) {
    const Ranges ranges{vhost.config->uid_range, vhost.config->gid_range};
    for (const InnerSection *inner = sections; inner; inner = inner->next) {
        const NamedIdentity *named = inner->config->named;
        if (!named) continue;
        const char *place = apr_psprintf(ptemp_, "%s, in %s", named->place, where(vhost));
        if (!check_one(*named, place, ranges)) return false;
    }
    return true;
}

bool Resolver::check_one(const NamedIdentity &named, const char *place, const Ranges &ranges) {
    const plan::Refusal refusal = plan::check(named.ids, ranges.uids, ranges.gids, reserved_);
    if (refusal == plan::Refusal::none) return true;
    complain(named, place, refusal, ranges);
    return false;
}

void Resolver::complain(const NamedIdentity &named, const char *place, plan::Refusal refusal, const Ranges &ranges) {
    const plan::Identity &asked = named.ids;
    const auto reserved = [&](const char *account, uid_t uid, gid_t gid) {
        log(LogId::reserved_refused, place, named.directive, asked.name, asked.uid, asked.gid, account, uid, gid);
    };
    switch (refusal) {
    case plan::Refusal::uid_out_of_range:
        log(LogId::uid_refused, place, named.directive, asked.name, asked.uid, ranges.uids.least, ranges.uids.most);
        break;
    case plan::Refusal::gid_out_of_range:
        log(LogId::gid_refused, place, named.directive, asked.name, asked.gid, ranges.gids.least, ranges.gids.most);
        break;
    case plan::Refusal::group_out_of_range: {
        const auto outside = [&](gid_t group) {
            return !ranges.gids.holds(group);
        };
        const gid_t group = *std::find_if(asked.groups.begin(), asked.groups.end(), outside);
        log(LogId::group_refused, place, asked.name, group, ranges.gids.least, ranges.gids.most);
        break;
    }
    case plan::Refusal::listener_account:
        reserved("ListenerAccount", reserved_.listener_uid, reserved_.listener_gid);
        break;
    case plan::Refusal::spare_account: reserved("SpareAccount", reserved_.spare_uid, reserved_.spare_gid); break;
    case plan::Refusal::parser_account: reserved("ParserAccount", reserved_.parser_uid, reserved_.parser_gid); break;
    case plan::Refusal::no_id: log(LogId::no_default_identity, place); break;
    case plan::Refusal::none: break;
    }
}

bool Resolver::enter_all() {
    IdentityIndex index{ptemp_, lasting()->identities};
    if (!index.is_usable()) return refuse(LogId::other_version);
    // Without root there is one for all; who names another is refused where the server is to run.
    const NamedIdentity *only = settings_.started_as_root ? nullptr : sources_.fallback(vhosts_[0].server);
    if (!settings_.started_as_root && !only) return false;
    const auto key_of = [&](const NamedIdentity &named, int nice) {
        plan::Identity ids = only ? only->ids : named.ids;
        ids.nice = nice;
        return index.key_of(ids);
    };
    for (const Vhost &vhost : vhosts()) {
        ServerConfig &config = *vhost.config;
        if (config.own && (config.identity = key_of(*config.own, config.nice)) == no_identity)
            return refuse(LogId::identity_not_found, where(vhost), strerror(ENOMEM));
        for (const InnerSection *inner = config.inner; inner; inner = inner->next) {
            NamedIdentity *named = inner->config->named;
            if (named && (named->key = key_of(*named, named->ids.nice)) == no_identity)
                return refuse(LogId::identity_not_found, named->place, strerror(ENOMEM));
        }
        if (!config.own && (sources_.fallback(vhost.server)->key = key_of(*config_state().fallback, 0)) == no_identity)
            return refuse(LogId::identity_not_found, "User", strerror(ENOMEM));
    }
    return true;
}

} // namespace

bool resolve_identities(apr_pool_t *pconf, apr_pool_t *ptemp, server_rec *main_server, Settings &settings) {
    return Resolver{pconf, ptemp, settings}.run(main_server);
}

} // namespace itk2::httpd
