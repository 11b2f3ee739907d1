// What it is: see identities.h.
#include "httpd/identities.h"

#include "httpd/accounts.h"
#include "httpd/config_state.h"
#include "httpd/lasting.h"
#include "httpd/log.h"

#include <apr_hash.h>

#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace itk2::httpd {

namespace {

// The line is out; the configuration is refused.
template <typename... Arguments> bool refuse(LogId id, Arguments... arguments) {
    log(id, arguments...);
    return false;
}

// One server section on its way to an identity.
struct Section {
    server_rec *server;
    ServerConfig *config;
    plan::Identity identity;
};

class Resolver {
  public:
    Resolver(apr_pool_t *ptemp, Settings &settings)
        : ptemp_(ptemp), settings_(settings), known_groups_(apr_hash_make(ptemp)) {}

    bool run(server_rec *main_server) {
        return collect(main_server) && choose_accounts() && check_all() && enter_all();
    }

  private:
    [[nodiscard]] std::span<Section> sections() const { return {sections_, count_}; }
    [[nodiscard]] const char *where(const Section &section) const { return describe(ptemp_, section.server); }

    bool collect(server_rec *main_server);
    bool find(Section &section);
    bool find_default(Section &section);
    bool find_running(Section &section);
    bool with_groups(Section &section, const char *user, bool has_account);
    bool choose_accounts();
    bool find_accounts();
    void keep_accounts(const plan::Reserved &accounts);
    bool keep_from_user();
    bool check_all();
    bool check_one(const Section &section);
    void complain(const Section &section, plan::Refusal refusal, plan::IdRange uids, plan::IdRange gids);
    bool enter_all();

    apr_pool_t *ptemp_;
    Settings &settings_;
    apr_hash_t *known_groups_; // "user gid" -> the groups, for many sections of one user
    Section *sections_ = nullptr;
    std::size_t count_ = 0;
    plan::Reserved reserved_{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
};

bool Resolver::collect(server_rec *main_server) {
    std::size_t room = 0;
    for (const server_rec *server = main_server; server; server = server->next) room++;
    sections_ = static_cast<Section *>(apr_pcalloc(ptemp_, room * sizeof(Section)));
    const ServerConfig *main_config = nullptr;
    for (server_rec *server = main_server; server; server = server->next) {
        auto *config = static_cast<ServerConfig *>(ap_get_module_config(server->module_config, &mpm_itk2_module));
        if (server == main_server) main_config = config;
        // A section without a directive of ours shares the main server's configuration.
        if (server != main_server && config == main_config) continue;
        Section &section = sections_[count_++];
        section.server = server;
        section.config = config;
        if (config->user) settings_.assigns_identities = true;
        if (!find(section)) return false;
        section.identity.nice = config->nice;
    }
    return true;
}

bool Resolver::find(Section &section) {
    const ServerConfig &config = *section.config;
    if (!config.user) return settings_.started_as_root ? find_default(section) : find_running(section);
    section.identity.uid = config.uid;
    section.identity.gid = config.gid;
    return with_groups(section, config.user, config.has_account);
}

// What httpd's User and Group say.
bool Resolver::find_default(Section &section) {
    section.identity.uid = ap_unixd_config.user_id;
    section.identity.gid = ap_unixd_config.group_id;
    if (section.identity.uid == static_cast<uid_t>(-1) || section.identity.gid == static_cast<gid_t>(-1))
        return refuse(LogId::no_default_identity, where(section));
    Account account;
    if (const char *error = find_account(ptemp_, ap_unixd_config.user_name, account))
        return refuse(LogId::identity_not_found, "User", error);
    return with_groups(section, account.name, account.has_entry);
}

bool Resolver::find_running(Section &section) {
    section.identity.uid = geteuid();
    section.identity.gid = getegid();
    const int count = getgroups(0, nullptr);
    if (count < 0) return refuse(LogId::identity_not_found, "this process", strerror(errno));
    auto *groups = static_cast<gid_t *>(apr_palloc(ptemp_, (static_cast<apr_size_t>(count) + 1) * sizeof(gid_t)));
    if (getgroups(count, groups) != count) return refuse(LogId::identity_not_found, "this process", strerror(errno));
    std::sort(groups, groups + count);
    section.identity.groups = {groups, std::unique(groups, groups + count)};
    Account account;
    const char *numeral = apr_psprintf(ptemp_, "#%u", geteuid());
    section.identity.name = find_account(ptemp_, numeral, account) ? numeral : account.name;
    return true;
}

bool Resolver::with_groups(Section &section, const char *user, bool has_account) {
    plan::Identity &resolved = section.identity;
    resolved.name = user;
    using Groups = std::span<const gid_t>;
    const char *key = apr_psprintf(ptemp_, "%s %u", user, resolved.gid);
    if (const auto *known = static_cast<Groups *>(apr_hash_get(known_groups_, key, APR_HASH_KEY_STRING))) {
        resolved.groups = *known;
        return true;
    }
    auto *groups = static_cast<Groups *>(apr_pcalloc(ptemp_, sizeof(Groups)));
    if (has_account) {
        if (const char *error = find_groups(ptemp_, user, resolved.gid, *groups))
            return refuse(LogId::identity_not_found, where(section), error);
    } else {
        auto *own = static_cast<gid_t *>(apr_palloc(ptemp_, sizeof(gid_t)));
        *own = resolved.gid;
        *groups = {own, 1};
    }
    apr_hash_set(known_groups_, key, APR_HASH_KEY_STRING, groups);
    resolved.groups = *groups;
    return true;
}

bool Resolver::choose_accounts() {
    settings_.listener_uid = settings_.spare_uid = geteuid();
    settings_.listener_gid = settings_.spare_gid = getegid();
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
    return keep_from_user();
}

bool Resolver::find_accounts() {
    auto *taken = static_cast<plan::Identity *>(apr_pcalloc(ptemp_, (count_ + 1) * sizeof(plan::Identity)));
    for (std::size_t i = 0; i < count_; i++) taken[i] = sections_[i].identity;
    taken[count_].uid = ap_unixd_config.user_id;
    taken[count_].gid = ap_unixd_config.group_id;
    const ConfigState &state = config_state();
    const char *error =
        find_reserved(ptemp_, state.listener_account, state.spare_account, {taken, count_ + 1}, reserved_);
    return error ? refuse(LogId::own_account_refused, error) : true;
}

// The listener outlives a restart, and its account with it.
void Resolver::keep_accounts(const plan::Reserved &accounts) {
    reserved_ = accounts;
    const auto differs = [&](const char *named, uid_t uid) {
        Account account;
        return named && !find_account(ptemp_, named, account) && account.uid != uid;
    };
    const ConfigState &state = config_state();
    if (differs(state.listener_account, accounts.listener_uid) || differs(state.spare_account, accounts.spare_uid))
        log(LogId::own_account_kept, accounts.listener_uid, accounts.spare_uid);
}

bool Resolver::keep_from_user() {
    const uid_t uid = ap_unixd_config.user_id;
    const gid_t gid = ap_unixd_config.group_id;
    if (uid == reserved_.listener_uid || gid == reserved_.listener_gid)
        return refuse(LogId::own_account_refused,
                      "ListenerAccount has the uid of User or the gid of Group, which are for sites; name another");
    if (uid == reserved_.spare_uid || gid == reserved_.spare_gid)
        return refuse(LogId::own_account_refused,
                      "SpareAccount has the uid of User or the gid of Group, which are for sites; name another");
    return true;
}

bool Resolver::check_all() {
    for (const Section &section : sections())
        if (!check_one(section)) return false;
    return true;
}

// Ranges limit what AssignUserID may name; User and Group are no site's choice. Root they may be only where the range
// has 0.
bool Resolver::check_one(const Section &section) {
    const ServerConfig &config = *section.config;
    if (!config.user && !settings_.started_as_root) return true;
    const plan::IdRange any;
    const plan::IdRange uids =
        config.user ? config.uid_range : plan::IdRange{std::min(any.least, config.uid_range.least), any.most};
    const plan::IdRange gids =
        config.user ? config.gid_range : plan::IdRange{std::min(any.least, config.gid_range.least), any.most};
    const plan::Refusal refusal = plan::check(section.identity, uids, gids, reserved_);
    if (refusal == plan::Refusal::none) return true;
    complain(section, refusal, uids, gids);
    return false;
}

void Resolver::complain(const Section &section, plan::Refusal refusal, plan::IdRange uids, plan::IdRange gids) {
    const plan::Identity &asked = section.identity;
    const char *place = where(section);
    const char *directive = section.config->user ? "AssignUserID" : "User";
    switch (refusal) {
    case plan::Refusal::uid_out_of_range:
        log(LogId::uid_refused, place, directive, asked.name, asked.uid, uids.least, uids.most);
        break;
    case plan::Refusal::gid_out_of_range:
        log(LogId::gid_refused, place, directive, asked.name, asked.gid, gids.least, gids.most);
        break;
    case plan::Refusal::group_out_of_range: {
        const auto outside = [&](gid_t group) {
            return !gids.holds(group);
        };
        const gid_t group = *std::find_if(asked.groups.begin(), asked.groups.end(), outside);
        log(LogId::group_refused, place, asked.name, group, gids.least, gids.most);
        break;
    }
    case plan::Refusal::listener_account:
        log(LogId::reserved_refused, place, directive, asked.name, asked.uid, asked.gid, "ListenerAccount",
            reserved_.listener_uid, reserved_.listener_gid);
        break;
    case plan::Refusal::spare_account:
        log(LogId::reserved_refused, place, directive, asked.name, asked.uid, asked.gid, "SpareAccount",
            reserved_.spare_uid, reserved_.spare_gid);
        break;
    case plan::Refusal::no_id: log(LogId::no_default_identity, place); break;
    case plan::Refusal::none: break;
    }
}

bool Resolver::enter_all() {
    plan::IdentityRegistry registry{lasting()->identities};
    if (!registry.is_usable()) return refuse(LogId::other_version);
    for (Section &section : sections()) {
        if (!settings_.started_as_root && !find_running(section)) return false;
        section.config->identity = registry.key_of(section.identity);
        if (section.config->identity == no_identity)
            return refuse(LogId::identity_not_found, where(section), strerror(ENOMEM));
    }
    return true;
}

} // namespace

bool resolve_identities(apr_pool_t *ptemp, server_rec *main_server, Settings &settings) {
    return Resolver{ptemp, settings}.run(main_server);
}

} // namespace itk2::httpd
