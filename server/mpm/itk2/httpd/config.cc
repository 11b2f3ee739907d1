// What it is: see config.h.
#include "httpd/config.h"

#include "httpd/config_state.h"
#include "httpd/identities.h"
#include "httpd/itk_config.h"
#include "httpd/lasting.h"
#include "httpd/listener_program.h"
#include "httpd/log.h"
#include "httpd/pool_limits.h"
#include "httpd/privileges.h"
#include "httpd/vhost_facts.h"
#include "os/credentials.h"
#include "os/id_map.h"
#include "plan/staffing.h"

#include <dlfcn.h>
#include <linux/capability.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace itk2::httpd {

namespace {

constinit ConfigState state;

// The line is out; the configuration is refused.
template <typename... Arguments> bool refuse(LogId id, Arguments... arguments) {
    log(id, arguments...);
    return false;
}

} // namespace

ConfigState &config_state() { return state; }

void reset_config(apr_pool_t *pconf) {
    state = ConfigState{};
    state.networks = apr_array_make(pconf, 0, sizeof(plan::Network));
    state.status_readers = apr_array_make(pconf, 0, sizeof(std::uint32_t));
    state.shares_memory_of = apr_array_make(pconf, 0, sizeof(const char *));
    state.users = apr_hash_make(pconf);
    state.groups = apr_hash_make(pconf);
}

namespace {

// The bounds that prefork keeps to, in its manner: told, mended, started.
constexpr std::uint32_t greatest_slot_limit = 200'000;

void mend(const char *directive, std::uint32_t &value, std::uint32_t right, const char *why) {
    if (value == right) return;
    log(LogId::number_mended, directive, value, why, right);
    value = right;
}

void at_least_one(const char *directive, std::uint32_t &value) {
    if (value == 0) mend(directive, value, 1, "is not allowed");
}

// What the master has built on once holds until it ends.
void keep_first(const char *directive, std::uint32_t &value, std::uint32_t &first) {
    if (first == 0) first = value;
    mend(directive, value, first, "differs from the one the server was started with, which holds until a stop");
}

void check_numbers(Settings &settings, Lasting &last) {
    if (settings.slot_limit > greatest_slot_limit)
        mend("ServerLimit", settings.slot_limit, greatest_slot_limit, "is above the greatest possible");
    at_least_one("ServerLimit", settings.slot_limit);
    keep_first("ServerLimit", settings.slot_limit, last.slot_limit);
    if (!config_state().names_listeners)
        settings.listener_count = plan::default_listeners(static_cast<std::uint32_t>(sysconf(_SC_NPROCESSORS_ONLN)));
    keep_first("ListenerProcesses", settings.listener_count, last.listener_count);
    if (settings.max_workers > settings.slot_limit)
        mend("MaxRequestWorkers", settings.max_workers, settings.slot_limit, "is above ServerLimit (see there)");
    at_least_one("MaxRequestWorkers", settings.max_workers);
    at_least_one("StartServers", settings.start_spares);
    at_least_one("MinSpareServers", settings.min_spares);
    // Without a word, as in prefork: its documentation gives MaxSpareServers this floor.
    if (settings.max_spares <= settings.min_spares) settings.max_spares = settings.min_spares + 1;
    if (settings.pool_max_workers == 0 || settings.pool_max_workers > settings.max_workers)
        settings.pool_max_workers = settings.max_workers;
    settings.max_connections_per_worker =
        ap_max_requests_per_child > 0 ? static_cast<std::uint32_t>(ap_max_requests_per_child) : 0;
}

const void *object_of(const void *address) {
    Dl_info about{};
    return dladdr(address, &about) != 0 ? about.dli_fbase : nullptr;
}

// This module carries records of other modules' names, for IfModule; one from another file is the real thing.
bool check_other_modules() {
    const void *own = object_of(&mpm_itk2_module);
    for (struct module_struct **loaded = ap_loaded_modules; *loaded; loaded++) {
        const char *name = (*loaded)->name;
        if (strcmp(name, "mpm_itk.c") != 0 && strcmp(name, "itk.c") != 0 && strcmp(name, "mod_ruid2.c") != 0) continue;
        if (object_of(*loaded) != own) return refuse(LogId::other_itk, name);
    }
    return true;
}

bool check_shared_memory() {
    for (int i = 0; i < state.shares_memory_of->nelts; i++) {
        const char *name = APR_ARRAY_IDX(state.shares_memory_of, i, const char *);
        if (ap_find_linked_module(name) == nullptr) return refuse(LogId::unknown_memory_maker, name);
    }
    return true;
}

bool check_all(apr_pool_t *pconf, apr_pool_t *ptemp, server_rec *main_server) {
    Settings &next = state.settings;
    next.started_as_root = geteuid() == 0;
    Lasting *last = lasting();
    if (!last) return refuse(LogId::other_version);
    if (!check_other_modules() || !check_shared_memory()) return false;
    state.id_writer = find_id_writer();
    check_numbers(next, *last);
    if (!resolve_identities(pconf, ptemp, main_server, next)) return false;
    find_vhost_facts(pconf, main_server, next);
    if (!find_privileges(pconf, main_server, next)) return false;
    if (!settle_pool_limits(pconf, ptemp, main_server)) return false;
    if (const char *error = find_listener_program(pconf, state.listener_program, next.listener_program))
        return refuse(LogId::listener_program_refused, error);
    if (next.started_as_root && ap_unixd_config.chroot_dir) return refuse(LogId::chroot_refused);
    if (!state.capabilities_wanted) log(LogId::capabilities_always);
    return true;
}

struct Need {
    unsigned capability;
    const char *name;
    const char *what_for;
};

constexpr Need needs[] = {
    {CAP_SETUID, "CAP_SETUID", "to change the uid"},
    {CAP_SETGID, "CAP_SETGID", "to change gid and groups"},
    {CAP_SETPCAP, "CAP_SETPCAP", "to empty the bounding set"},
    {CAP_KILL, "CAP_KILL", "to end processes of other users"},
    {CAP_SYS_NICE, "CAP_SYS_NICE", "for NiceValue"},
    {CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "for the user namespaces of parsers, see ParserConfinement"},
};

bool needs_nice(server_rec *main_server) {
    // Without root every process is the same user's, which may be nicer, but not less nice.
    const auto counts = [](int nice) {
        return nice < 0 || (nice != 0 && state.settings.started_as_root);
    };
    for (const server_rec *server = main_server; server; server = server->next) {
        const ServerConfig &config = *server_config(server);
        if (counts(config.nice)) return true;
        for (const InnerSection *inner = config.inner; inner; inner = inner->next)
            if (inner->config->has_nice && (counts(inner->config->nice) || counts(config.nice))) return true;
    }
    return false;
}

bool is_needed(unsigned capability, server_rec *main_server) {
    const Settings &settings = state.settings;
    switch (capability) {
    case CAP_SYS_NICE: return needs_nice(main_server);
    case CAP_SYS_ADMIN: return settings.needs_parsers && settings.parser_confinement == Confinement::name_space;
    default: return settings.started_as_root;
    }
}

bool check_capabilities(server_rec *main_server) {
    std::uint64_t held = 0;
    if (const Result result = os::read_effective_capabilities(held); !result.ok())
        return refuse(LogId::no_proc, error_words(result));
    char missing[256] = "";
    for (const Need &need : needs) {
        if ((held >> need.capability & 1) != 0 || !is_needed(need.capability, main_server)) continue;
        const std::size_t used = strlen(missing);
        snprintf(missing + used, sizeof missing - used, "%s%s (%s)", used == 0 ? "" : ", ", need.name, need.what_for);
    }
    if (missing[0] == '\0') return true;
    return refuse(LogId::privilege_missing, missing);
}

bool check_running_user(apr_pool_t *ptemp, server_rec *main_server) {
    NeedsRoot first;
    if (state.settings.started_as_root || is_all_running_user(ptemp, main_server, first)) return true;
    return refuse(LogId::not_root, first.place, first.directive, first.name, geteuid());
}

// What parsers need of this kernel and this container is tried, on a child, before anybody is served.
bool check_namespaces() {
    const Settings &now = state.settings;
    if (!now.needs_parsers || now.parser_confinement != Confinement::name_space) return true;
    const os::Ids own{now.parser_uid, now.parser_gid, {}};
    const Result result = os::probe_parsers(now.parser_uid, now.parser_gid, own);
    if (result.ok()) return true;
    return refuse(LogId::parsers_not_possible, step_name(result.step), error_words(result), result.error);
}

int check_privileges(apr_pool_t *ptemp, server_rec *main_server) {
    // At a restart the others are served all the same, and the pools that can't be limited are not.
    const bool is_start = ap_unixd_mpm_get_retained_data()->module_loads <= 2;
    const bool right = check_running_user(ptemp, main_server) && check_capabilities(main_server) &&
                       check_namespaces() && (!is_start || check_pool_limits());
    return right ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

} // namespace

int check_config(apr_pool_t *pconf, apr_pool_t *ptemp, server_rec *main_server) {
    if (!check_all(pconf, ptemp, main_server)) return HTTP_INTERNAL_SERVER_ERROR;
    const bool is_to_run = ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_NORMAL;
    return is_to_run ? check_privileges(ptemp, main_server) : OK;
}

const Settings &settings() { return state.settings; }

std::uint32_t identity_count() { return plan::IdentityRegistry{lasting()->identities}.count(); }

bool is_identity(IdentityKey key) { return plan::IdentityRegistry{lasting()->identities}.holds(key); }

plan::Identity identity(IdentityKey key) { return plan::IdentityRegistry{lasting()->identities}.identity(key); }

IdentityKey identity_of(const server_rec *server) { return server_config(server)->identity; }

bool is_decided(const server_rec *server) { return server_config(server)->is_decided; }

IdentityKey route_identity_of(const server_rec *server) {
    const ServerConfig &config = *server_config(server);
    return config.is_decided ? config.identity : no_identity;
}

plan::HintScope hint_scope_of(const server_rec *server) { return server_config(server)->hints; }

plan::GrantRule grant_rule(VhostIndex vhost) {
    if (number(vhost) >= state.vhosts.size()) return {};
    const ServerConfig &config = *state.vhosts[number(vhost)];
    return {config.finds_ids, config.has_uid_range, config.uid_range, config.gid_range};
}

bool may_be_asked(IdentityKey key) {
    return number(key) < state.may_be_asked.size() && state.may_be_asked[number(key)];
}

bool is_nice_configured(int nice) { return nice >= -20 && nice <= 19 && (state.nice_values >> (nice + 20) & 1) != 0; }

std::span<const plan::Network> reroute_networks() {
    return {reinterpret_cast<const plan::Network *>(state.networks->elts),
            static_cast<std::size_t>(state.networks->nelts)};
}

const std::uint32_t *known_user(const char *name) {
    return static_cast<const std::uint32_t *>(apr_hash_get(state.users, name, APR_HASH_KEY_STRING));
}

const std::uint32_t *known_group(const char *name) {
    return static_cast<const std::uint32_t *>(apr_hash_get(state.groups, name, APR_HASH_KEY_STRING));
}

std::uint32_t max_clients_of(const server_rec *server) { return server_config(server)->max_clients; }

VhostName name_of(const server_rec *server) {
    const std::uint16_t port = server->addrs == nullptr ? server->port : server->addrs->host_port;
    return {server->server_hostname == nullptr ? "" : server->server_hostname, port == 0 ? server->port : port};
}

const char *describe(apr_pool_t *pool, const server_rec *server) {
    if (!server->is_virtual) return "the main server";
    const char *name = server->server_hostname ? server->server_hostname : "unnamed";
    const unsigned port = server->addrs ? server->addrs->host_port : server->port;
    return apr_psprintf(pool, "%s:%u (%s:%u)", name, port, server->defn_name, server->defn_line_number);
}

} // namespace itk2::httpd
