// What it is: see text_walk.h. The orders and rules are those of httpd's ap_directory_walk, ap_file_walk,
// ap_location_walk, ap_if_walk and mod_proxy's walk.
#include "httpd/text_walk.h"

#include "ap_expr.h"
#include "mod_proxy.h"

#include <apr_fnmatch.h>

#include <cstring>

namespace itk2::httpd {

namespace {

constexpr int deepest_condition = 64; // sections within sections; a configuration has a few

const core_dir_config &core_of(const ap_conf_vector_t *section) {
    return *static_cast<const core_dir_config *>(ap_get_core_module_config(section));
}

const core_dir_config *core_or_null(const ap_conf_vector_t *section) {
    return static_cast<const core_dir_config *>(ap_get_core_module_config(section));
}

std::span<const ap_conf_vector_t *const> items(const apr_array_header_t *sections) {
    if (!sections) return {};
    return {reinterpret_cast<const ap_conf_vector_t *const *>(sections->elts),
            static_cast<std::size_t>(sections->nelts)};
}

bool any_says(const apr_array_header_t *sections);

// Whether it or a section within says anything about identities.
bool says(const ap_conf_vector_t *section) {
    if (dir_config(section)) return true;
    const core_dir_config *core = core_or_null(section);
    return core && (any_says(core->sec_file) || any_says(core->sec_if));
}

bool any_says(const apr_array_header_t *sections) {
    for (const ap_conf_vector_t *section : items(sections))
        if (says(section)) return true;
    return false;
}

// Other sections need no look, unless they give names to what they match (MATCH_...), which expressions may use.
bool matters(const ap_conf_vector_t *section, const apr_array_header_t *names) {
    return (names && names->nelts > 0) || says(section);
}

void append(apr_pool_t *pool, apr_array_header_t *&all, const apr_array_header_t *more) {
    if (!more) return;
    if (!all) all = apr_array_make(pool, more->nelts, sizeof(ap_conf_vector_t *));
    apr_array_cat(all, more);
}

// Absolute and without "." and ".." as httpd has it for its walk; null where there is no such path.
const char *canonical(const request_rec *request) {
    char *path = nullptr;
    if (!request->filename) return nullptr;
    const apr_status_t merged =
        apr_filepath_merge(&path, nullptr, request->filename, APR_FILEPATH_NOTRELATIVE, request->pool);
    return merged == APR_SUCCESS ? path : nullptr;
}

bool is_prefix(const char *prefix, std::size_t length, const char *text) { return strncmp(prefix, text, length) == 0; }

} // namespace

request_rec *TextWalk::evaluated() {
    if (evaluated_ != request_) return evaluated_;
    evaluated_ = static_cast<request_rec *>(apr_pmemdup(request_->pool, request_, sizeof *request_));
    evaluated_->subprocess_env = apr_table_copy(request_->pool, request_->subprocess_env);
    evaluated_->headers_out = apr_table_copy(request_->pool, request_->headers_out);
    return evaluated_;
}

DirConfig TextWalk::run() {
    const core_dir_config &server = core_of(request_->server->lookup_defaults);
    const bool is_proxied =
        request_->proxyreq != PROXYREQ_NONE && request_->filename && is_prefix("proxy:", 6, request_->filename);
    const char *path = is_proxied ? nullptr : canonical(request_);
    const auto begin = [&] {
        found_ = DirConfig{};
        files_ = conditions_ = nullptr;
        add(request_->server->lookup_defaults);
        append(request_->pool, files_, server.sec_file);
    };
    begin();
    if (is_proxied) {
        add_proxies(request_->filename + 6);
    } else if (request_->filename) {
        if (path) add_directories(path);
        const char *name = path ? name_of_file(path) : nullptr;
        if (name) {
            // What follows is no path, but for the file that this is.
            const char *end = strchr(name, '/');
            path = apr_pstrmemdup(request_->pool, path, static_cast<apr_size_t>(end - path));
            begin();
            add_directories(path);
        }
        const char *last = strrchr(path ? path : request_->filename, '/');
        add_files(last ? last + 1 : path ? path : request_->filename);
    }
    add_locations();
    add_conditions(conditions_, 0);
    return found_;
}

void TextWalk::add(Section section) {
    if (const DirConfig *own = dir_config(section)) merge_into(found_, *own);
    if (const core_dir_config *core = core_or_null(section)) append(request_->pool, conditions_, core->sec_if);
}

bool TextWalk::matches(const Pattern &pattern, const char *text) {
    const int count = pattern.names ? pattern.names->nelts : 0;
    auto *parts = static_cast<ap_regmatch_t *>(
        count > 0 ? apr_pcalloc(request_->pool, static_cast<apr_size_t>(count) * sizeof(ap_regmatch_t)) : nullptr);
    if (ap_regexec(pattern.regex, text, static_cast<apr_size_t>(count), parts, 0) != 0) return false;
    for (int i = 0; i < count; i++) {
        const char *name = reinterpret_cast<const char *const *>(pattern.names->elts)[i];
        if (!name || parts[i].rm_so < 0 || parts[i].rm_eo < 0) continue;
        apr_table_setn(evaluated()->subprocess_env, name,
                       apr_pstrmemdup(request_->pool, text + parts[i].rm_so,
                                      static_cast<apr_size_t>(parts[i].rm_eo - parts[i].rm_so)));
    }
    return true;
}

namespace {

// The first `parts` slashes of a path and what is before them: "/srv/www/" of "/srv/www/site/x" for 3; with a slash
// added at its end where that is the last one. False where there are fewer.
struct Level {
    const char *text;
    bool is_last; // and without a slash in the path: may be a file
};
bool level_of(apr_pool_t *pool, const char *path, unsigned parts, Level &level) {
    unsigned slashes = 0;
    const char *at = path;
    for (; *at != '\0'; at++)
        if (*at == '/' && ++slashes == parts) {
            level = {apr_pstrmemdup(pool, path, static_cast<apr_size_t>(at + 1 - path)), false};
            return true;
        }
    level = {apr_pstrcat(pool, path, "/", nullptr), true};
    return slashes + 1 == parts && at[-1] != '/';
}

bool looks_like_a_file(const char *path) {
    const char *last = strrchr(path, '/');
    return strchr(last ? last : path, '.') != nullptr;
}

// Where only a file system could tell a file from a directory, a section that names it says that it is a directory, and
// one that has wildcards takes what has a dot in its name for a file.
bool is_within(apr_pool_t *pool, const core_dir_config &section, const char *path) {
    if (section.d_components == 0) return true;
    Level level;
    if (!level_of(pool, path, section.d_components, level)) return false;
    if (!section.d_is_fnmatch) return strcmp(section.d, level.text) == 0;
    if (level.is_last && looks_like_a_file(path)) return false;
    return apr_fnmatch(section.d, level.text, APR_FNM_PATHNAME) == APR_SUCCESS;
}

} // namespace

// httpd has sorted them: by depth, then those with regular expressions.
void TextWalk::add_directories(const char *path) {
    const auto *core = static_cast<core_server_config *>(ap_get_core_module_config(request_->server->module_config));
    for (const Section section : items(core->sec_dir)) {
        const core_dir_config &about = core_of(section);
        if (!matters(section, about.refs)) continue;
        const bool holds = about.r ? matches({about.r, about.refs}, path) : is_within(request_->pool, about, path);
        if (!holds) continue;
        append(request_->pool, files_, about.sec_file);
        add(section);
    }
}

namespace {

bool is_named(const core_dir_config &files, const char *name) {
    if (files.r) return ap_regexec(files.r, name, 0, nullptr, 0) == 0;
    return files.d_is_fnmatch ? apr_fnmatch(files.d, name, APR_FNM_PATHNAME) == APR_SUCCESS
                              : strcmp(files.d, name) == 0;
}

} // namespace

// A path may go on behind its file ("/admin.php/users"), and only a file system could tell where. What a Files section
// about identities matches, and has a dot, is taken for the file. Null where there is none before the last part.
const char *TextWalk::name_of_file(const char *path) const {
    if (!any_says(files_)) return nullptr;
    const char *root = ap_document_root(request_);
    const std::size_t length = root ? strlen(root) : 0;
    const char *part = root && is_prefix(root, length, path) ? path + length : path;
    for (const char *end; (end = strchr(part, '/')) != nullptr; part = end + 1) {
        const char *name = apr_pstrmemdup(request_->pool, part, static_cast<apr_size_t>(end - part));
        if (!strchr(name, '.')) continue;
        for (const Section section : items(files_))
            if (says(section) && is_named(core_of(section), name)) return part;
    }
    return nullptr;
}

void TextWalk::add_files(const char *name) {
    for (const Section section : items(files_)) {
        const core_dir_config &about = core_of(section);
        if (!matters(section, about.refs)) continue;
        if (about.r ? matches({about.r, about.refs}, name) : is_named(about, name)) add(section);
    }
}

void TextWalk::add_proxies(const char *name) {
    module *proxy = ap_find_linked_module("mod_proxy.c");
    if (!proxy) return;
    const auto *server = static_cast<proxy_server_conf *>(ap_get_module_config(request_->server->module_config, proxy));
    for (const Section section : items(server->sec_proxy)) {
        const auto &about = *static_cast<proxy_dir_conf *>(ap_get_module_config(section, proxy));
        if (!matters(section, about.refs)) continue;
        const bool holds = about.r              ? matches({about.r, about.refs}, name)
                           : about.p_is_fnmatch ? apr_fnmatch(about.p, name, 0) == APR_SUCCESS
                                                : is_prefix(about.p, strlen(about.p), name);
        if (holds) add(section);
    }
}

namespace {

bool is_at(const core_dir_config &location, const char *path) {
    if (location.d_is_fnmatch) return apr_fnmatch(location.d, path, APR_FNM_PATHNAME) == APR_SUCCESS;
    const std::size_t length = strlen(location.d);
    if (!is_prefix(location.d, length, path)) return false;
    return length == 0 || location.d[length - 1] == '/' || path[length] == '/' || path[length] == '\0';
}

} // namespace

void TextWalk::add_locations() {
    const auto *core = static_cast<core_server_config *>(ap_get_core_module_config(request_->server->module_config));
    char *path = apr_pstrdup(request_->pool, request_->uri);
    ap_no2slash(path);
    for (const Section section : items(core->sec_url)) {
        const core_dir_config &about = core_of(section);
        if (!matters(section, about.refs)) continue;
        if (about.r ? matches({about.r, about.refs}, request_->uri) : is_at(about, path)) add(section);
    }
}

void TextWalk::add_conditions(const apr_array_header_t *sections, int depth) {
    if (depth == deepest_condition || !any_says(sections)) return;
    conditions_ = nullptr; // those within
    bool held = false;
    for (const Section section : items(sections)) {
        const core_dir_config &about = core_of(section);
        if ((about.condition_ifelse & AP_CONDITION_ELSE) != 0 && held) continue;
        if ((about.condition_ifelse & AP_CONDITION_IF) != 0) {
            const char *error = nullptr;
            held = ap_expr_exec(evaluated(), about.condition, &error) > 0;
            if (!held) continue;
        } else {
            held = false;
        }
        add(section);
    }
    add_conditions(conditions_, depth + 1);
}

} // namespace itk2::httpd
