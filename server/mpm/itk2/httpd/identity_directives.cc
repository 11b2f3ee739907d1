// What it is: see identity_directives.h.
#include "httpd/identity_directives.h"

#include "httpd/accounts.h"
#include "httpd/config_state.h"
#include "httpd/sources.h"
#include "plan/network.h"
#include "plan/number.h"

#include <arpa/inet.h>
#include <strings.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <new>

namespace itk2::httpd {

namespace {

template <typename T> T *make(apr_pool_t *pool, const T &value = T{}) {
    return new (apr_palloc(pool, sizeof(T))) T{value};
}

const char *place_of(cmd_parms *command) {
    return apr_psprintf(command->pool, "%s:%d", command->directive->filename, command->directive->line_num);
}

// In Directory, Location, Files, If, Proxy; a server section lets RSRC_CONF through.
bool is_inner(const cmd_parms *command) { return command->path || (command->override & RSRC_CONF) == 0; }

// AllowOverrideList lets any directive through to .htaccess; httpd's other checks don't.
const char *check_place(cmd_parms *command) { return ap_check_cmd_context(command, NOT_IN_HTACCESS | NOT_IN_LIMIT); }

bool is_one_of(const char *name, std::initializer_list<const char *> names) {
    return std::any_of(names.begin(), names.end(), [name](const char *known) { return strcasecmp(name, known) == 0; });
}

// A condition may ask for anything; files and patterns tell one path from its neighbour; else a path's place is enough.
plan::HintScope hints_in(const ap_directive_t *directive) {
    plan::HintScope hints = plan::HintScope::place;
    for (const ap_directive_t *section = directive->parent; section; section = section->parent) {
        if (is_one_of(section->directive, {"<If", "<ElseIf", "<Else"})) return plan::HintScope::none;
        const bool has_pattern = is_one_of(section->directive, {"<Directory", "<Location", "<Proxy"}) &&
                                 strpbrk(section->args, "*?[~") != nullptr;
        if (has_pattern ||
            is_one_of(section->directive, {"<Files", "<FilesMatch", "<LocationMatch", "<DirectoryMatch"}))
            hints = plan::HintScope::path;
    }
    return hints;
}

DirConfig &section_of(cmd_parms *command, void *section) {
    auto &config = *static_cast<DirConfig *>(section);
    if (is_inner(command) && !config.is_listed) {
        ServerConfig &server = *server_config(command->server);
        server.inner =
            make<InnerSection>(command->pool, {&config, place_of(command), hints_in(command->directive), server.inner});
        config.is_listed = true;
    }
    return config;
}

void know(cmd_parms *command, apr_hash_t *names, const char *name, std::uint32_t id) {
    if (name[0] != '#')
        apr_hash_set(names, apr_pstrdup(command->pool, name), APR_HASH_KEY_STRING, make(command->pool, id));
}

const char *two_sources(cmd_parms *command, const char *mode_place, const char *named_place) {
    return apr_psprintf(command->pool,
                        "%s: this section has an IdentityMode (%s) and a user of its own (%s); keep one of them",
                        command->cmd->name, mode_place, named_place);
}

} // namespace

const char *assign_user_id(cmd_parms *command, void *section, const char *user, const char *group) {
    if (const char *error = check_place(command)) return error;
    read_account_files(command->temp_pool);
    Account account;
    gid_t gid = 0;
    if (const char *error = find_account(command->pool, user, account))
        return apr_pstrcat(command->pool, command->cmd->name, ": ", error, nullptr);
    if (const char *error = find_group(command->pool, group, gid))
        return apr_pstrcat(command->pool, command->cmd->name, ": ", error, nullptr);
    know(command, config_state().users, user, account.uid);
    know(command, config_state().groups, group, gid);
    NamedIdentity named;
    named.directive = command->cmd->name;
    named.place = place_of(command);
    named.server = command->server;
    named.is_inner = is_inner(command);
    named.has_account = account.has_entry;
    named.ids.uid = account.uid;
    named.ids.gid = gid;
    named.ids.name = account.name;
    section_of(command, section).named = make(command->pool, named);
    const ServerConfig &server = *server_config(command->server);
    const bool has_mode = server.mode_server == command->server && server.mode != IdentityMode::config;
    return has_mode && !named.is_inner ? two_sources(command, server.mode_place, named.place) : nullptr;
}

namespace {

// A quote that is part of a name is nobody's; so quotes around it all are the administrator's.
const char *unquote(cmd_parms *command, const char *text) {
    const std::size_t length = strlen(text);
    if (length < 2 || (text[0] != '"' && text[0] != '\'') || text[length - 1] != text[0]) return text;
    return ap_getword_conf(command->pool, &text);
}

const char *parse_expression(cmd_parms *command, const char *text, const IdExpression *&expression) {
    if (const char *error = check_place(command)) return error;
    text = unquote(command, apr_pstrdup(command->pool, text));
    if (text[0] == '\0')
        return apr_pstrcat(command->pool, command->cmd->name, " takes one argument: an expression", nullptr);
    const char *error = nullptr;
    const ap_expr_info_t *parsed =
        ap_expr_parse_cmd_mi(command, text, AP_EXPR_FLAG_STRING_RESULT, &error, nullptr, AP_CORE_MODULE_INDEX);
    if (error) return apr_psprintf(command->pool, "%s: \"%s\" is no expression: %s", command->cmd->name, text, error);
    expression = make<IdExpression>(command->pool, {command->cmd->name, place_of(command), text, parsed});
    return nullptr;
}

} // namespace

const char *assign_user_id_expr(cmd_parms *command, void *section, const char *text) {
    const IdExpression *expression = nullptr;
    if (const char *error = parse_expression(command, text, expression)) return error;
    section_of(command, section).uid = expression;
    return nullptr;
}

const char *assign_group_id_expr(cmd_parms *command, void *section, const char *text) {
    const IdExpression *expression = nullptr;
    if (const char *error = parse_expression(command, text, expression)) return error;
    section_of(command, section).gid = expression;
    return nullptr;
}

const char *set_nice_value(cmd_parms *command, void *section, const char *text) {
    if (const char *error = check_place(command)) return error;
    const bool is_negative = text[0] == '-';
    const auto size = plan::read_number(is_negative ? text + 1 : text, 0, is_negative ? 20 : 19);
    if (!size) return apr_psprintf(command->pool, "NiceValue: \"%s\" is not a number from -20 to 19", text);
    DirConfig &config = section_of(command, section);
    config.nice = is_negative ? -static_cast<int>(*size) : static_cast<int>(*size);
    config.has_nice = true;
    return nullptr;
}

namespace {

struct ModeName {
    const char *directive;
    const char *text;
    IdentityMode mode;
};
constexpr ModeName mode_names[] = {
    {"IdentityMode", "config", IdentityMode::config},
    {"IdentityMode", "owner", IdentityMode::owner},
    {"IdentityMode", "request-owner", IdentityMode::request_owner},
    {"IdentityMode", "suexec", IdentityMode::suexec},
    {"RMode", "config", IdentityMode::config},
    {"RMode", "stat", IdentityMode::owner},
};

} // namespace

const char *set_identity_mode(cmd_parms *command, void *section, const char *text) {
    if (const char *error = check_place(command)) return error;
    const char *known = "";
    for (const ModeName &name : mode_names) {
        if (strcasecmp(name.directive, command->cmd->name) != 0) continue;
        known = apr_pstrcat(command->pool, known, known[0] == '\0' ? "" : ", ", name.text, nullptr);
        if (strcasecmp(name.text, text) != 0) continue;
        ServerConfig &server = *server_config(command->server);
        server.mode = name.mode;
        server.mode_server = command->server;
        server.mode_place = place_of(command);
        const NamedIdentity *named = static_cast<DirConfig *>(section)->named;
        return named && name.mode != IdentityMode::config ? two_sources(command, server.mode_place, named->place)
                                                          : nullptr;
    }
    return apr_psprintf(command->pool, "%s: \"%s\" is none of %s", command->cmd->name, text, known);
}

const char *set_groups(cmd_parms *command, void *, int count, char *const names[]) {
    if (const char *error = check_place(command)) return error;
    if (count == 0) return "RGroups takes groups, or @none";
    auto *groups = static_cast<gid_t *>(apr_palloc(command->pool, static_cast<apr_size_t>(count) * sizeof(gid_t)));
    gid_t *end = groups;
    for (int i = 0; i < count; i++) {
        if (strcasecmp(names[i], "@none") == 0) {
            if (count > 1) return "RGroups: @none stands alone";
            continue;
        }
        if (const char *error = find_group(command->pool, names[i], *end))
            return apr_pstrcat(command->pool, "RGroups: ", error, nullptr);
        know(command, config_state().groups, names[i], *end++);
    }
    std::sort(groups, end);
    end = std::unique(groups, end);
    server_config(command->server)->groups = make<NamedGroups>(command->pool, {place_of(command), {groups, end}});
    return nullptr;
}

const char *refuse_replaced(cmd_parms *command, void *, const char *) {
    const auto &replacement = *static_cast<const Replacement *>(command->info);
    return apr_psprintf(command->pool, "%s is mod_ruid2's and not supported: %s", command->cmd->name,
                        replacement.advice);
}

namespace {

bool read_network(apr_pool_t *pool, const char *text, plan::Network &network) {
    char *address = apr_pstrdup(pool, text);
    char *bits = strchr(address, '/');
    if (bits) *bits++ = '\0';
    network.length = strchr(address, ':') ? 16 : 4;
    if (inet_pton(network.length == 16 ? AF_INET6 : AF_INET, address, network.bytes.data()) != 1) return false;
    constexpr std::uint8_t v4_in_v6[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (network.length == 16 && memcmp(network.bytes.data(), v4_in_v6, sizeof v4_in_v6) == 0) return false;
    const std::uint32_t most = network.length * 8U;
    const auto count = bits ? plan::read_number(bits, 0, most) : most;
    if (!count) return false;
    network.bits = static_cast<std::uint8_t>(*count);
    return true;
}

} // namespace

const char *add_reroute_from(cmd_parms *command, void *, const char *text) {
    if (const char *error = ap_check_cmd_context(command, GLOBAL_ONLY)) return error;
    plan::Network network;
    if (!read_network(command->pool, text, network))
        return apr_psprintf(command->pool,
                            "RerouteFrom: \"%s\" is no ADDRESS or ADDRESS/BITS, as 10.0.0.0/8 or 2001:db8::1", text);
    APR_ARRAY_PUSH(config_state().networks, plan::Network) = network;
    return nullptr;
}

} // namespace itk2::httpd
