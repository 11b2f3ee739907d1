// What it is: telling light requests from others.
// Distrusts: the client: a body, which it may send slowly, is never light.
#include "httpd/light.h"

#include "httpd/process.h"
#include "httpd/serving.h"
#include "plan/light_endings.h"

#include <cstring>

namespace itk2::httpd {
namespace {

// Sent without waiting for the client, whatever filters make of it.
constexpr apr_off_t largest = 48 * 1024;

plan::LightEndings endings;

bool has_body(const request_rec *request) {
    return apr_table_get(request->headers_in, "Content-Length") != nullptr ||
           apr_table_get(request->headers_in, "Transfer-Encoding") != nullptr;
}

// A handler that was named for it, and not found by its type.
bool has_own_handler(const request_rec *request) {
    if (request->handler == nullptr || strcmp(request->handler, AP_DEFAULT_HANDLER_NAME) == 0) return false;
    if (request->content_type == nullptr) return true;
    const std::size_t length = strcspn(request->content_type, "; ");
    return strncmp(request->handler, request->content_type, length) != 0 || request->handler[length] != '\0';
}

// Or none at all, which is soon said.
bool is_small_file(const request_rec *request) {
    if (request->filename == nullptr) return false;
    return request->finfo.filetype == APR_NOFILE ||
           (request->finfo.filetype == APR_REG && request->finfo.size <= largest);
}

bool may_be_light(const request_rec *request) {
    return is_small_file(request) && request->proxyreq == PROXYREQ_NONE && !has_own_handler(request) &&
           !has_body(request);
}

std::string_view path_of(const request_rec *request) {
    const char *path = request->unparsed_uri == nullptr ? "" : request->unparsed_uri;
    return {path, strcspn(path, "?#")};
}

bool is_way_wanted() {
    const Way &way = process().way;
    return way.is_wanted != nullptr && way.is_wanted(way.self);
}

} // namespace

bool is_expected_light(std::string_view path) { return endings.has(path); }

int note_light(request_rec *request) {
    if (!is_way_wanted() || !may_be_light(request)) return DECLINED;
    endings.learn(request->filename);
    if (request->main == nullptr) endings.learn(path_of(request));
    return DECLINED;
}

void make_way(bool is_long) {
    const Way &way = process().way;
    if (way.make != nullptr && way.make(way.self, is_long))
        ap_update_child_status(process().score, SERVER_BUSY_WRITE, nullptr);
}

void make_way_for_body(const request_rec *request) {
    if (is_way_wanted() && has_body(request)) make_way(true);
}

void make_way_unless_light(const request_rec *request) {
    if (!is_way_wanted() || (may_be_light(request) && endings.has(request->filename))) return;
    if (has_own_handler(request) && endings.has(path_of(request))) endings.forget_all();
    make_way(!may_be_light(request)); // what is unknown may turn out to be light
}

} // namespace itk2::httpd
