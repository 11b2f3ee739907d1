// What it is: see wishes.h.
#include "httpd/wishes.h"

#include "httpd/config.h"
#include "httpd/config_state.h"
#include "httpd/document_roots.h"
#include "httpd/itk_config.h"
#include "httpd/lasting.h"
#include "httpd/log.h"
#include "httpd/name_lookup.h"
#include "httpd/owners.h"
#include "httpd/sources.h"
#include "httpd/text_walk.h"
#include "plan/expression_text.h"
#include "plan/number.h"

#include <cstring>

namespace itk2::httpd {

namespace {

constexpr std::size_t shown_bytes = 64; // of a text that a client may have chosen

class WishMaker {
  public:
    // `evaluated`: what expressions are evaluated for; the request, or a copy.
    WishMaker(request_rec *request, request_rec *evaluated) : request_(request), evaluated_(evaluated) {}

    Wished make(const DirConfig &section, plan::Wish &wish) {
        const ServerConfig &server = *server_config(request_->server);
        wish.vhost = server.index;
        wish.nice = section.has_nice ? section.nice : 0;
        const bool is_inner = section.named && section.named->is_inner;
        Wished found = Wished::found;
        if (is_inner)
            take(*section.named, section.named->key, wish);
        else if (server.own)
            take(*server.own, server.identity, wish);
        else
            found = take_owner(wish);
        if (!is_inner && found == Wished::found && config_state().id_writer) take_written(wish);
        if (found == Wished::found && section.uid) found = take_id(NameKind::user, *section.uid, wish.uid, wish);
        if (found == Wished::found && section.gid) found = take_id(NameKind::group, *section.gid, wish.gid, wish);
        return found == Wished::found && wish.key == no_identity ? check(section, server, wish) : found;
    }

  private:
    static void take(const NamedIdentity &named, IdentityKey key, plan::Wish &wish) {
        wish.key = key;
        wish.uid = named.ids.uid;
        wish.gid = named.ids.gid;
    }

    // For the server's own level, as in mpm-itk: an inner section's AssignUserID and expressions are nearer.
    void take_written(plan::Wish &wish) const {
        const WrittenIds written = written_ids(request_);
        if (written.has_uid) wish.uid = written.uid;
        if (written.has_gid) wish.gid = written.gid;
        if (written.has_uid || written.has_gid) wish.key = no_identity;
    }
    Wished take_owner(plan::Wish &wish);
    Wished take_id(NameKind kind, const IdExpression &expression, std::uint32_t &id, plan::Wish &wish);
    Wished find_id(NameKind kind, const IdExpression &expression, const char *name, std::uint32_t &id);
    Wished check(const DirConfig &section, const ServerConfig &server, const plan::Wish &wish);

    [[nodiscard]] const char *host() const { return request_->server->server_hostname; }
    [[nodiscard]] unsigned port() const { return request_->connection->local_addr->port; }
    [[nodiscard]] const char *about(const IdExpression &expression) const {
        return apr_psprintf(request_->pool, "%s (%s)", expression.directive, expression.place);
    }
    [[nodiscard]] const char *shown(const char *text) const {
        return ap_escape_logitem(request_->pool, apr_pstrndup(request_->pool, text, shown_bytes));
    }
    Wished refuse(const char *source, const char *why) const {
        log(LogId::wish_failed, host(), port(), source, why);
        return Wished::refused;
    }
    Wished put_off(const char *source, const char *why) const {
        log(LogId::account_not_looked_up, host(), port(), source, why);
        return Wished::later;
    }

    request_rec *request_;
    request_rec *evaluated_;
};

Wished WishMaker::take_owner(plan::Wish &wish) {
    const char *root = document_root_of(request_);
    const os::PathOwner owner = look_up_owner(root);
    const char *source = apr_psprintf(request_->pool, "IdentityMode request-owner of \"%s\"", shown(root));
    switch (owner.outcome) {
    case os::PathOwner::Outcome::found:
        wish.uid = owner.uid;
        wish.gid = owner.gid;
        return Wished::found;
    case os::PathOwner::Outcome::missing: // for httpd to answer that it isn't there
        take(*config_state().fallback, config_state().fallback->key, wish);
        wish.may_change = true; // the site may be made
        return Wished::found;
    case os::PathOwner::Outcome::others_symlink:
        return refuse(source, "a symlink on the way belongs to another user than the directory");
    case os::PathOwner::Outcome::failed: break;
    }
    return refuse(source, strerror(owner.error));
}

const char *words(plan::NameFault fault) {
    switch (fault) {
    case plan::NameFault::empty: return "it yields nothing";
    case plan::NameFault::too_long: return "it yields more than 255 bytes";
    case plan::NameFault::control_character: return "it yields a control character";
    case plan::NameFault::none: break;
    }
    return "";
}

Wished WishMaker::take_id(NameKind kind, const IdExpression &expression, std::uint32_t &id, plan::Wish &wish) {
    const char *error = nullptr;
    const char *name = ap_expr_str_exec(evaluated_, expression.parsed, &error);
    if (error) return refuse(about(expression), error);
    if (!name) name = "";
    const plan::NameFault fault = plan::fault_of_name(name);
    if (fault != plan::NameFault::none) return refuse(about(expression), words(fault));
    wish.key = no_identity;
    return find_id(kind, expression, name, id);
}

Wished WishMaker::find_id(NameKind kind, const IdExpression &expression, const char *name, std::uint32_t &id) {
    constexpr std::uint32_t greatest_id = UINT32_MAX - 1;
    const char *source = apr_psprintf(request_->pool, "%s yields \"%s\"", about(expression), shown(name));
    if (name[0] == '#') {
        const auto number = plan::read_number(name + 1, 0, greatest_id);
        if (!number) return refuse(source, "no #NUMBER");
        id = *number;
        return Wished::found;
    }
    if (const std::uint32_t *known = kind == NameKind::user ? known_user(name) : known_group(name)) {
        id = *known;
        return Wished::found;
    }
    const Settings &now = settings();
    const NameAnswer answer = look_up_name(kind, name, {now.name_lookup_timeout_ms, now.name_cache_s});
    switch (answer.outcome) {
    case NameAnswer::Outcome::found: id = answer.id; return Wished::found;
    case NameAnswer::Outcome::unknown:
        return refuse(source, kind == NameKind::user ? "there is no such user" : "there is no such group");
    case NameAnswer::Outcome::too_late: return put_off(source, "too late");
    case NameAnswer::Outcome::failed: break;
    }
    return put_off(source, strerror(answer.error));
}

const char *words(plan::Refusal refusal) {
    switch (refusal) {
    case plan::Refusal::uid_out_of_range: return "the uid is outside LimitUIDRange";
    case plan::Refusal::gid_out_of_range:
    case plan::Refusal::group_out_of_range: return "the gid is outside LimitGIDRange";
    case plan::Refusal::listener_account: return "that is ListenerAccount";
    case plan::Refusal::spare_account: return "that is SpareAccount";
    case plan::Refusal::parser_account: return "that is ParserAccount";
    case plan::Refusal::no_id: return "that is no id";
    case plan::Refusal::none: break;
    }
    return "";
}

// The master checks this too, and the user's groups; here it costs a parser nothing, and the line says who asked.
Wished WishMaker::check(const DirConfig &section, const ServerConfig &server, const plan::Wish &wish) {
    const plan::Identity ids{wish.uid, wish.gid, {}, 0, ""};
    const plan::Refusal refusal = plan::check(ids, server.uid_range, server.gid_range, lasting()->accounts);
    if (refusal == plan::Refusal::none) return Wished::found;
    const char *source =
        section.uid   ? about(*section.uid)
        : section.gid ? about(*section.gid)
        : config_state().id_writer
            ? config_state().id_writer
            : apr_psprintf(request_->pool, "IdentityMode request-owner of \"%s\"", shown(document_root_of(request_)));
    return refuse(apr_psprintf(request_->pool, "%s: uid %u, gid %u", source, wish.uid, wish.gid), words(refusal));
}

} // namespace

Wished wish_by_text(request_rec *request, plan::Wish &wish) {
    if (wish_of_server(request->server, wish)) return Wished::found;
    TextWalk walk{request};
    const DirConfig section = walk.run();
    const bool evaluates = section.uid || section.gid;
    return WishMaker{request, evaluates ? walk.evaluated() : request}.make(section, wish);
}

Wished wish_by_config(request_rec *request, plan::Wish &wish) {
    if (wish_of_server(request->server, wish)) return Wished::found;
    const DirConfig *section = dir_config(request->per_dir_config);
    return WishMaker{request, request}.make(section ? *section : DirConfig{}, wish);
}

bool wish_of_server(const server_rec *server, plan::Wish &wish) {
    const ServerConfig &config = *server_config(server);
    if (!config.is_decided) return false;
    wish = {config.identity, config.own->ids.uid, config.own->ids.gid, config.nice, config.index};
    return true;
}

} // namespace itk2::httpd
