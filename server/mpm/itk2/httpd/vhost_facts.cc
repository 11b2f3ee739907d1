// What it is: see vhost_facts.h.
#include "httpd/vhost_facts.h"

#include "httpd/config.h"
#include "httpd/config_state.h"
#include "plan/expression_text.h"

#include <unistd.h>

#include <algorithm>

namespace itk2::httpd {

namespace {

constexpr int least_nice = -20;

bool has_same_ids(const NamedIdentity &a, const NamedIdentity &b) {
    plan::Identity other = b.ids;
    other.nice = a.ids.nice;
    return plan::equal(a.ids, other);
}

bool asks_request(const DirConfig &section) { return section.uid || section.gid; }

} // namespace

bool is_by_request(const server_rec *server) {
    const DirConfig *section = dir_config(server->lookup_defaults);
    return !server_config(server)->own || config_state().id_writer || (section && asks_request(*section));
}

namespace {

bool is_by_host_only(const IdExpression *expression) { return !expression || plan::is_by_host_only(expression->text); }

class Facts {
  public:
    Facts(apr_pool_t *pconf, server_rec *main_server, Settings &settings)
        : settings_(settings), main_(*server_config(main_server)), keys_(identity_count()) {
        may_be_asked_ = static_cast<bool *>(apr_pcalloc(pconf, keys_ + 1));
        note_nice(0);
    }

    void find(const server_rec *server) {
        ServerConfig &config = *server_config(server);
        // Without root there is nothing else to be; who wants it is refused.
        if (!settings_.started_as_root) return;
        const bool is_main = &config == &main_;
        const bool differs = any_differs(config, config.inner) || (!is_main && any_differs(config, main_.inner));
        const DirConfig *section = dir_config(server->lookup_defaults);
        const bool by_request = is_by_request(server);
        config.finds_ids = by_request || any_asks(config.inner) || (!is_main && any_asks(main_.inner));
        config.is_decided = !by_request && !differs;
        if (config.is_decided) return;
        const bool by_host = !section || (is_by_host_only(section->uid) && is_by_host_only(section->gid));
        config.hints = by_host ? plan::HintScope::host : plan::HintScope::place;
        narrow(config.hints, config.inner);
        if (!is_main) narrow(config.hints, main_.inner);
        settings_.needs_parsers = true;
        if (!config.own) settings_.finds_owners = true;
        note(config.own ? config.identity : config_state().fallback->key);
        note_nice(config.nice);
        note_all(config.inner);
        if (!has_noted_main_) note_all(main_.inner);
        has_noted_main_ = true;
    }

    void finish() {
        config_state().may_be_asked = {may_be_asked_, keys_};
        config_state().nice_values = nice_values_;
    }

  private:
    static bool any_asks(const InnerSection *sections) {
        for (const InnerSection *inner = sections; inner; inner = inner->next)
            if (asks_request(*inner->config)) return true;
        return false;
    }

    // The narrowest of all sections holds; none is the narrowest.
    static void narrow(plan::HintScope &hints, const InnerSection *sections) {
        for (const InnerSection *inner = sections; inner && hints != plan::HintScope::none; inner = inner->next)
            hints = inner->hints == plan::HintScope::none ? inner->hints : std::max(hints, inner->hints);
    }

    static bool any_differs(const ServerConfig &config, const InnerSection *sections) {
        for (const InnerSection *inner = sections; inner; inner = inner->next) {
            const DirConfig &section = *inner->config;
            if (asks_request(section) || (section.has_nice && section.nice != config.nice)) return true;
            if (section.named && !(config.own && has_same_ids(*section.named, *config.own))) return true;
        }
        return false;
    }

    void note(IdentityKey key) {
        if (number(key) < keys_) may_be_asked_[number(key)] = true;
    }
    void note_nice(int nice) { nice_values_ |= std::uint64_t{1} << (nice - least_nice); }
    void note_all(const InnerSection *sections) {
        for (const InnerSection *inner = sections; inner; inner = inner->next) {
            if (inner->config->named) note(inner->config->named->key);
            if (inner->config->has_nice) note_nice(inner->config->nice);
        }
    }

    Settings &settings_;
    const ServerConfig &main_;
    std::uint32_t keys_;
    bool *may_be_asked_;
    std::uint64_t nice_values_ = 0;
    bool has_noted_main_ = false;
};

bool is_running_user(const NamedIdentity &named) {
    return named.server == nullptr || (named.ids.uid == geteuid() && named.ids.gid == getegid());
}

bool needs(NeedsRoot &first, const char *place, const char *directive, const char *name) {
    first = {place, directive, name};
    return false;
}

bool is_running_user(const DirConfig &section, const char *place, NeedsRoot &first) {
    if (const IdExpression *expression = section.uid ? section.uid : section.gid)
        return needs(first, expression->place, expression->directive, expression->text);
    if (section.named && !is_running_user(*section.named))
        return needs(first, place, section.named->directive, section.named->ids.name);
    return true;
}

} // namespace

void find_vhost_facts(apr_pool_t *pconf, server_rec *main_server, Settings &settings) {
    Facts facts{pconf, main_server, settings};
    for (const server_rec *server = main_server; server; server = server->next) facts.find(server);
    facts.finish();
}

bool is_all_running_user(apr_pool_t *ptemp, server_rec *main_server, NeedsRoot &first) {
    for (server_rec *server = main_server; server; server = server->next) {
        const ServerConfig &config = *server_config(server);
        const char *place = describe(ptemp, server);
        if (!config.own) return needs(first, place, "IdentityMode", "request-owner");
        if (!is_running_user(*config.own)) return needs(first, place, config.own->directive, config.own->ids.name);
        if (config.groups) return needs(first, config.groups->place, "RGroups", "");
        const DirConfig *section = dir_config(server->lookup_defaults);
        if (section && !is_running_user({nullptr, section->uid, section->gid}, place, first)) return false;
        for (const InnerSection *inner = config.inner; inner; inner = inner->next) {
            if (!is_running_user(*inner->config, inner->place, first)) return false;
            if (inner->config->has_nice && inner->config->nice != config.nice)
                return needs(first, inner->place, "NiceValue", apr_itoa(ptemp, inner->config->nice));
        }
    }
    return true;
}

} // namespace itk2::httpd
