// What it is: the table of directives, and what each does with its arguments; identity_directives.cc has those about
// identities. docs/DIRECTIVES.md says the same in words; tests/guards/directives.py holds them together.
// Runs as: the master, while the configuration is read.
#include "httpd/config.h"
#include "httpd/config_state.h"
#include "httpd/identity_directives.h"
#include "httpd/pool_directives.h"
#include "plan/number.h"
#include "plan/size.h"

#include <cstring>

namespace itk2::httpd {

namespace {

ServerConfig &config_of(cmd_parms *command) { return *server_config(command->server); }

const char *bad_number(cmd_parms *command, const char *text, apr_int64_t least, apr_int64_t most) {
    constexpr char format[] = "%s: \"%s\" is not a number from %" APR_INT64_T_FMT " to %" APR_INT64_T_FMT;
    return apr_psprintf(command->pool, format, command->cmd->name, text, least, most);
}

const char *set_max_clients_vhost(cmd_parms *command, void *, const char *text) {
    const auto value = plan::read_number(text, 0, INT32_MAX);
    if (!value) return bad_number(command, text, 0, INT32_MAX);
    ServerConfig &config = config_of(command);
    config.max_clients = *value;
    config.has_max_clients = true;
    return nullptr;
}

const char *read_range(cmd_parms *command, const char *least, const char *most, plan::IdRange &range) {
    const auto low = plan::read_number(least, 0, UINT32_MAX);
    const auto high = plan::read_number(most, 0, UINT32_MAX);
    if (!low) return bad_number(command, least, 0, UINT32_MAX);
    if (!high) return bad_number(command, most, 0, UINT32_MAX);
    if (*low > *high)
        return apr_psprintf(command->pool, "%s: %u is greater than %u; write the lesser one first", command->cmd->name,
                            *low, *high);
    range = {*low, *high};
    return nullptr;
}

const char *limit_uid_range(cmd_parms *command, void *, const char *least, const char *most) {
    ServerConfig &config = config_of(command);
    config.has_uid_range = true;
    return read_range(command, least, most, config.uid_range);
}

const char *limit_gid_range(cmd_parms *command, void *, const char *least, const char *most) {
    ServerConfig &config = config_of(command);
    config.has_gid_range = true;
    return read_range(command, least, most, config.gid_range);
}

const char *enable_capabilities(cmd_parms *command, void *, int wanted) {
    if (const char *error = ap_check_cmd_context(command, GLOBAL_ONLY)) return error;
    config_state().capabilities_wanted = wanted != 0;
    return nullptr;
}

// A number for the whole server: where it goes, its bounds, and what one of it is in the settings' unit.
struct Number {
    std::uint32_t Settings::*place;
    std::uint32_t least;
    std::uint32_t most;
    std::uint32_t unit = 1;
};

constexpr std::uint32_t a_day = 86'400;
constexpr std::uint32_t many = 1'000'000;

// Zero is let through where prefork lets it through, and mends it afterwards.
Number start_servers{&Settings::start_spares, 0, many};
Number min_spare_servers{&Settings::min_spares, 0, many};
Number max_spare_servers{&Settings::max_spares, 0, many};
Number max_request_workers{&Settings::max_workers, 0, many};
Number server_limit{&Settings::slot_limit, 0, many};
Number listener_processes{&Settings::listener_count, 1, 64};
Number request_head_timeout{&Settings::head_timeout_ms, 1, a_day, 1000};
Number pool_max_workers{&Settings::pool_max_workers, 0, many};
Number pool_queue_limit{&Settings::queue_limit, 0, many};
Number pool_queue_timeout{&Settings::queue_timeout_ms, 1, a_day, 1000};
Number worker_idle_timeout{&Settings::worker_idle_ms, 1, a_day, 1000};
Number keepalive_wait{&Settings::keepalive_wait_ms, 0, 10'000};
Number name_lookup_timeout{&Settings::name_lookup_timeout_ms, 1, 300, 1000};
Number name_cache_time{&Settings::name_cache_s, 0, a_day};

constexpr std::uint64_t mebi = 1ULL << 20;
constexpr std::uint64_t tebi = 1ULL << 40;

// A worker holds up to 512 resting TLS connections; what it opens beside them has to fit as well.
LimitRule pool_memory_max{Limit::memory, 16 * mebi, 1024 * tebi};
LimitRule pool_cpu_max{Limit::cpu, 1, 100'000};
LimitRule pool_cpu_weight{Limit::weight, 1, 10'000, false};
LimitRule pool_processes_max{Limit::processes, 1, 4'194'304};
LimitRule pool_files_max{Limit::files, 1024, 1'048'576};

struct OwnAccount {
    const char *OwnAccounts::*place;
};
OwnAccount listener_account{&OwnAccounts::listener};
OwnAccount spare_account{&OwnAccounts::spare};
OwnAccount parser_account{&OwnAccounts::parser};

const char *set_number(cmd_parms *command, void *, const char *text) {
    if (const char *error = ap_check_cmd_context(command, GLOBAL_ONLY)) return error;
    const auto &rule = *static_cast<const Number *>(command->info);
    const auto value = plan::read_number(text, rule.least, rule.most);
    if (!value) return bad_number(command, text, rule.least, rule.most);
    config_state().settings.*rule.place = *value * rule.unit;
    return nullptr;
}

const char *set_kept_memory_max(cmd_parms *command, void *, const char *text) {
    if (const char *error = ap_check_cmd_context(command, GLOBAL_ONLY)) return error;
    const auto value = plan::read_size(text, 1024 * tebi);
    if (!value)
        return apr_psprintf(command->pool, "KeptMemoryMax: \"%s\" is not a size (as 512M, 2G) up to 1024T, nor 0",
                            text);
    config_state().settings.says_kept_memory = true;
    config_state().settings.kept_memory = *value;
    return nullptr;
}

const char *set_listener_processes(cmd_parms *command, void *config, const char *text) {
    if (const char *error = ap_check_cmd_context(command, GLOBAL_ONLY)) return error;
    config_state().names_listeners = true;
    return set_number(command, config, text);
}

const char *set_listener_program(cmd_parms *command, void *, const char *path) {
    if (const char *error = ap_check_cmd_context(command, GLOBAL_ONLY)) return error;
    config_state().listener_program = ap_server_root_relative(command->pool, path);
    if (!config_state().listener_program)
        return apr_psprintf(command->pool, "ListenerProgram: \"%s\" is not a path", path);
    return nullptr;
}

const char *set_account(cmd_parms *command, void *, const char *name) {
    if (const char *error = ap_check_cmd_context(command, GLOBAL_ONLY)) return error;
    const auto &account = *static_cast<const OwnAccount *>(command->info);
    config_state().accounts.*account.place = name;
    return nullptr;
}

const char *add_shared_memory_of(cmd_parms *command, void *, const char *module) {
    if (const char *error = ap_check_cmd_context(command, GLOBAL_ONLY)) return error;
    APR_ARRAY_PUSH(config_state().shares_memory_of, const char *) = module;
    return nullptr;
}

const char *add_status_reader(cmd_parms *command, void *, const char *user) {
    if (const char *error = ap_check_cmd_context(command, GLOBAL_ONLY)) return error;
    config_state().names_status_readers = true;
    if (strcasecmp(user, "none") == 0) return nullptr;
    Account account;
    if (const char *error = find_account(command->pool, user, account))
        return apr_psprintf(command->pool, "ShowStatusTo: %s", error);
    APR_ARRAY_PUSH(config_state().status_readers, std::uint32_t) = account.uid;
    return nullptr;
}

const char *set_parser_confinement(cmd_parms *command, void *, const char *text) {
    if (const char *error = ap_check_cmd_context(command, GLOBAL_ONLY)) return error;
    Confinement &confinement = config_state().settings.parser_confinement;
    if (strcasecmp(text, "namespace") == 0)
        confinement = Confinement::name_space;
    else if (strcasecmp(text, "capabilities") == 0)
        confinement = Confinement::capabilities;
    else
        return apr_psprintf(command->pool, "ParserConfinement: \"%s\" is none of namespace, capabilities", text);
    return nullptr;
}

const char *set_set_uid_programs(cmd_parms *command, void *, int wanted) {
    ServerConfig &config = config_of(command);
    config.has_set_uid_programs = true;
    config.privileges.set_uid_programs = wanted != 0;
    return nullptr;
}

const char *set_no_new_privileges(cmd_parms *command, void *, int wanted) {
    ServerConfig &config = config_of(command);
    config.has_no_new_privileges = true;
    config.privileges.no_new_privileges = wanted != 0;
    return nullptr;
}

// Of mod_ruid2.
Replacement ruid2_least_ids{"LimitUIDRange and LimitGIDRange bound the ids; remove this line"};
Replacement ruid2_default{
    "ids out of LimitUIDRange and LimitGIDRange are refused, and a site without a user has User and "
    "Group; remove this line"};
Replacement ruid2_chroot{"no site is put into a chroot; remove this line"};

constexpr int anywhere = RSRC_CONF | ACCESS_CONF; // but not in .htaccess

} // namespace

const command_rec directives[] = {
    AP_INIT_TAKE2("AssignUserID", assign_user_id, nullptr, anywhere, "user and group to run as: names, or #ids"),
    AP_INIT_RAW_ARGS("AssignUserIDExpr", assign_user_id_expr, nullptr, anywhere, "an expression that yields the user"),
    AP_INIT_RAW_ARGS("AssignGroupIDExpr", assign_group_id_expr, nullptr, anywhere,
                     "an expression that yields the group"),
    AP_INIT_TAKE1("IdentityMode", set_identity_mode, nullptr, RSRC_CONF,
                  "config, owner, request-owner or suexec: who says what the virtual host runs as"),
    AP_INIT_TAKE1("NiceValue", set_nice_value, nullptr, anywhere, "nice value, -20 to 19"),
    AP_INIT_TAKE1("MaxClientsVHost", set_max_clients_vhost, nullptr, RSRC_CONF,
                  "how many connections of the virtual host may be busy at once; 0: no limit"),
    AP_INIT_TAKE2("LimitUIDRange", limit_uid_range, nullptr, RSRC_CONF,
                  "least and greatest uid that AssignUserID may name"),
    AP_INIT_TAKE2("LimitGIDRange", limit_gid_range, nullptr, RSRC_CONF,
                  "least and greatest gid that AssignUserID may lead to"),
    AP_INIT_FLAG("SetUidPrograms", set_set_uid_programs, nullptr, RSRC_CONF,
                 "On or Off: whether set-uid programs that sites start gain what the system gives them"),
    AP_INIT_FLAG("NoNewPrivileges", set_no_new_privileges, nullptr, RSRC_CONF,
                 "On or Off: no_new_privs for what sites start"),
    AP_INIT_TAKE2("RUidGid", assign_user_id, nullptr, anywhere, "mod_ruid2's name of AssignUserID"),
    AP_INIT_TAKE_ARGV("RGroups", set_groups, nullptr, RSRC_CONF,
                      "supplementary groups instead of the user's own, or @none"),
    AP_INIT_TAKE1("RMode", set_identity_mode, nullptr, RSRC_CONF, "config or stat, as IdentityMode config or owner"),
    AP_INIT_RAW_ARGS("RMinUidGid", refuse_replaced, &ruid2_least_ids, anywhere, "see LimitUIDRange, LimitGIDRange"),
    AP_INIT_RAW_ARGS("RDefaultUidGid", refuse_replaced, &ruid2_default, anywhere, "see LimitUIDRange"),
    AP_INIT_RAW_ARGS("RDocumentChRoot", refuse_replaced, &ruid2_chroot, anywhere, "not supported"),
    AP_INIT_FLAG("EnableCapabilities", enable_capabilities, nullptr, RSRC_CONF, "On, which is what always holds"),

    AP_INIT_TAKE1("StartServers", set_number, &start_servers, RSRC_CONF, "spares forked at start"),
    AP_INIT_TAKE1("MinSpareServers", set_number, &min_spare_servers, RSRC_CONF, "least number of spares"),
    AP_INIT_TAKE1("MaxSpareServers", set_number, &max_spare_servers, RSRC_CONF, "greatest number of spares"),
    AP_INIT_TAKE1("MaxRequestWorkers", set_number, &max_request_workers, RSRC_CONF, "greatest number of workers"),
    AP_INIT_TAKE1("MaxClients", set_number, &max_request_workers, RSRC_CONF, "old name of MaxRequestWorkers"),
    AP_INIT_TAKE1("ServerLimit", set_number, &server_limit, RSRC_CONF,
                  "upper limit of MaxRequestWorkers for the life of the server"),

    AP_INIT_TAKE1("ListenerProcesses", set_listener_processes, &listener_processes, RSRC_CONF, "number of listeners"),
    AP_INIT_TAKE1("ListenerProgram", set_listener_program, nullptr, RSRC_CONF, "path of the listener's program"),
    AP_INIT_TAKE1("ListenerAccount", set_account, &listener_account, RSRC_CONF, "user or #uid of the listener"),
    AP_INIT_TAKE1("SpareAccount", set_account, &spare_account, RSRC_CONF, "user or #uid of the spares"),
    AP_INIT_TAKE1("ParserAccount", set_account, &parser_account, RSRC_CONF, "user or #uid of the parsers"),
    AP_INIT_TAKE1("ParserConfinement", set_parser_confinement, nullptr, RSRC_CONF,
                  "namespace or capabilities: how parsers are confined"),
    AP_INIT_TAKE1("NameLookupTimeout", set_number, &name_lookup_timeout, RSRC_CONF,
                  "seconds that the account database has to answer a request"),
    AP_INIT_TAKE1("NameCacheTime", set_number, &name_cache_time, RSRC_CONF, "seconds that such an answer is good for"),
    AP_INIT_ITERATE("ShareMemoryOf", add_shared_memory_of, nullptr, RSRC_CONF,
                    "modules whose shared memory stays one for all identities"),
    AP_INIT_ITERATE("ShowStatusTo", add_status_reader, nullptr, RSRC_CONF,
                    "users whose workers see in the server's status what others do, or none"),
    AP_INIT_ITERATE("RerouteFrom", add_reroute_from, nullptr, RSRC_CONF,
                    "front proxies whose connections may go from one identity to another"),
    AP_INIT_TAKE1("RequestHeadTimeout", set_number, &request_head_timeout, RSRC_CONF,
                  "seconds that a client has for a whole request head"),
    AP_INIT_TAKE1("PoolMaxWorkers", set_number, &pool_max_workers, RSRC_CONF,
                  "greatest number of workers of one identity; 0: MaxRequestWorkers"),
    AP_INIT_TAKE1("PoolQueueLimit", set_number, &pool_queue_limit, RSRC_CONF,
                  "connections of one identity that may wait for a worker"),
    AP_INIT_TAKE1("PoolQueueTimeout", set_number, &pool_queue_timeout, RSRC_CONF,
                  "seconds that a connection may wait for a worker"),
    AP_INIT_TAKE1("PoolMemoryMax", set_pool_limit, &pool_memory_max, RSRC_CONF,
                  "how much memory the processes of one identity may take together; 0: no limit"),
    AP_INIT_TAKE1("PoolCPUMax", set_pool_limit, &pool_cpu_max, RSRC_CONF,
                  "percent of one processor that the processes of one identity may take together; 0: no limit"),
    AP_INIT_TAKE1("PoolCPUWeight", set_pool_limit, &pool_cpu_weight, RSRC_CONF,
                  "1 to 10000: the share of the processors where other identities want them too"),
    AP_INIT_TAKE1("PoolProcessesMax", set_pool_limit, &pool_processes_max, RSRC_CONF,
                  "how many processes and threads one identity may have; 0: no limit"),
    AP_INIT_TAKE1("PoolFilesMax", set_pool_limit, &pool_files_max, RSRC_CONF,
                  "how many descriptors each worker may have open; 0: as many as the server"),
    AP_INIT_TAKE1("WorkerIdleTimeout", set_number, &worker_idle_timeout, RSRC_CONF,
                  "seconds after which an idle worker ends"),
    AP_INIT_TAKE1("KeptMemoryMax", set_kept_memory_max, nullptr, RSRC_CONF,
                  "how much of modules' shared memory is kept for identities without a worker; 0: none"),
    AP_INIT_TAKE1("KeepAliveWait", set_number, &keepalive_wait, RSRC_CONF,
                  "milliseconds that a worker waits for the next request itself"),

    LISTEN_COMMANDS,
    AP_GRACEFUL_SHUTDOWN_TIMEOUT_COMMAND,
    {nullptr, {nullptr}, nullptr, 0, RAW_ARGS, nullptr},
};

} // namespace itk2::httpd
