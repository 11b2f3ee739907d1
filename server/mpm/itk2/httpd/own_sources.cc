// What it is: see own_sources.h.
#include "httpd/own_sources.h"

#include "httpd/accounts.h"
#include "httpd/config.h"
#include "httpd/document_roots.h"
#include "httpd/log.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace itk2::httpd {

namespace {

// The line is out; the configuration is refused.
template <typename... Arguments> bool refuse(LogId id, Arguments... arguments) {
    log(id, arguments...);
    return false;
}

template <typename T> T *make(apr_pool_t *pool, const T &value = T{}) {
    return new (apr_palloc(pool, sizeof(T))) T{value};
}

using Groups = std::span<const gid_t>;

Groups with_gid(apr_pool_t *pool, Groups groups, gid_t gid) {
    auto *all = static_cast<gid_t *>(apr_palloc(pool, (groups.size() + 1) * sizeof(gid_t)));
    gid_t *end = std::copy(groups.begin(), groups.end(), all);
    *end++ = gid;
    std::sort(all, end);
    return {all, std::unique(all, end)};
}

} // namespace

bool OwnSources::find_groups_of(NamedIdentity &named, const char *where) {
    plan::Identity &ids = named.ids;
    if (!ids.groups.empty()) return true;
    const char *key = apr_psprintf(ptemp_, "%s %u", ids.name, ids.gid);
    if (const auto *known = static_cast<Groups *>(apr_hash_get(known_groups_, key, APR_HASH_KEY_STRING))) {
        ids.groups = *known;
        return true;
    }
    if (!named.has_account)
        ids.groups = with_gid(pconf_, {}, ids.gid);
    else if (const char *error = find_groups(pconf_, ids.name, ids.gid, ids.groups))
        return refuse(LogId::identity_not_found, where, error);
    apr_hash_set(known_groups_, key, APR_HASH_KEY_STRING, make(ptemp_, ids.groups));
    return true;
}

NamedIdentity *OwnSources::fallback(const server_rec *server) {
    if (!fallback_) fallback_ = started_as_root_ ? user_and_group(server) : running();
    return fallback_;
}

NamedIdentity *OwnSources::user_and_group(const server_rec *server) {
    NamedIdentity named;
    named.ids.uid = ap_unixd_config.user_id;
    named.ids.gid = ap_unixd_config.group_id;
    const char *where = describe(ptemp_, server);
    if (named.ids.uid == static_cast<uid_t>(-1) || named.ids.gid == static_cast<gid_t>(-1)) {
        log(LogId::no_default_identity, where);
        return nullptr;
    }
    Account account;
    if (const char *error = find_account(pconf_, ap_unixd_config.user_name, account)) {
        log(LogId::identity_not_found, "User", error);
        return nullptr;
    }
    named.ids.name = account.name;
    named.has_account = account.has_entry;
    if (!find_groups_of(named, where)) return nullptr;
    return make(pconf_, named);
}

NamedIdentity *OwnSources::running() {
    NamedIdentity named;
    named.ids.uid = geteuid();
    named.ids.gid = getegid();
    const int count = getgroups(0, nullptr);
    auto *groups =
        static_cast<gid_t *>(apr_palloc(pconf_, (static_cast<apr_size_t>(std::max(count, 0)) + 1) * sizeof(gid_t)));
    if (count < 0 || getgroups(count, groups) != count) {
        log(LogId::identity_not_found, "this process", strerror(errno));
        return nullptr;
    }
    std::sort(groups, groups + count);
    named.ids.groups = {groups, std::unique(groups, groups + count)};
    Account account;
    const char *numeral = apr_psprintf(pconf_, "#%u", geteuid());
    named.ids.name = find_account(pconf_, numeral, account) ? numeral : account.name;
    return make(pconf_, named);
}

NamedIdentity *OwnSources::made(const char *directive, const server_rec *server, uid_t uid, gid_t gid) {
    auto *account = static_cast<Account *>(apr_hash_get(owners_, &uid, sizeof uid));
    if (!account) {
        account = make<Account>(ptemp_);
        if (const char *error = find_account(pconf_, apr_psprintf(pconf_, "#%u", uid), *account)) {
            log(LogId::identity_not_found, describe(ptemp_, server), error);
            return nullptr;
        }
        apr_hash_set(owners_, make(ptemp_, uid), sizeof uid, account);
    }
    NamedIdentity named;
    named.directive = directive;
    named.server = server;
    named.has_account = account->has_entry;
    named.ids.uid = uid;
    named.ids.gid = gid;
    named.ids.name = account->name;
    return make(pconf_, named);
}

// The nearest wins; of one level, the user that is named: a section with both was refused already.
bool OwnSources::choose(server_rec *server, ServerConfig &config) {
    const DirConfig *section = dir_config(server->lookup_defaults);
    NamedIdentity *named = section ? section->named : nullptr;
    if ((named && named->server == server) || config.mode == IdentityMode::config)
        return take_named(server, config, named);
    switch (config.mode) {
    case IdentityMode::owner: return take_owner(server, config);
    case IdentityMode::suexec: return take_suexec(server, config, named);
    case IdentityMode::request_owner: // and User and Group where it finds nobody
    case IdentityMode::config: break;
    }
    config.own = nullptr;
    return true;
}

bool OwnSources::take_named(server_rec *server, ServerConfig &config, NamedIdentity *named) {
    if (!named) named = fallback(server);
    if (!named) return false;
    if (config.groups) {
        NamedIdentity *with_others = make(pconf_, *named);
        with_others->ids.groups = with_gid(pconf_, config.groups->groups, named->ids.gid);
        config.own = with_others;
        return true;
    }
    config.own = named;
    return find_groups_of(*named, describe(ptemp_, server));
}

bool OwnSources::take_owner(server_rec *server, ServerConfig &config) {
    const char *root = document_root_of(server);
    const os::PathOwner owner = os::find_path_owner(root, os::Sight::own);
    switch (owner.outcome) {
    case os::PathOwner::Outcome::found: break;
    case os::PathOwner::Outcome::missing:
        if (!is_default_document_root(root)) log(LogId::document_root_missing, describe(ptemp_, server), root);
        return take_named(server, config, nullptr);
    case os::PathOwner::Outcome::others_symlink:
        return refuse(LogId::document_root_refused, describe(ptemp_, server), root,
                      "a symlink on the way belongs to another user than the directory; give it to that user or root");
    case os::PathOwner::Outcome::failed:
        return refuse(LogId::document_root_refused, describe(ptemp_, server), root, strerror(owner.error));
    }
    if (owner.uid == 0 && is_default_document_root(root)) return take_named(server, config, nullptr);
    const char *directive = apr_psprintf(pconf_, "IdentityMode owner of %s:", root);
    NamedIdentity *named = made(directive, server, owner.uid, owner.gid);
    return named && take_named(server, config, named);
}

bool OwnSources::take_suexec(server_rec *server, ServerConfig &config, NamedIdentity *inherited) {
    if (!ap_find_linked_module("mod_suexec.c")) return refuse(LogId::suexec_not_loaded, config.mode_place);
    const ap_unix_identity_t *identity = suexec_identity_of(ptemp_, server);
    if (!identity) return take_named(server, config, inherited);
    NamedIdentity *named = made("SuexecUserGroup", server, identity->uid, identity->gid);
    return named && take_named(server, config, named);
}

} // namespace itk2::httpd
