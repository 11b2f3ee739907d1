// What it is: the second decision, for the request httpd has really read; the listener's look was a hint.
// Runs as: a worker. A request for another identity ends here, before any handler and any file of the site.
#include "httpd/config.h"
#include "httpd/hooks.h"
#include "httpd/log.h"
#include "httpd/process.h"

namespace itk2::httpd {
namespace {

bool is_mine(const request_rec *request) { return identity_of(request->server) == process().identity; }

int misdirect(request_rec *request) {
    log(LogId::misdirected, request->server->server_hostname, static_cast<unsigned>(request->server->port),
        process().identity_name);
    request->connection->keepalive = AP_CONN_CLOSE;
    return HTTP_MISDIRECTED_REQUEST;
}

int decide(request_rec *request) { return is_mine(request) ? DECLINED : misdirect(request); }

int guard(request_rec *request) {
    if (is_mine(request)) return DECLINED;
    log(LogId::undecided, request->server->server_hostname, static_cast<unsigned>(request->server->port),
        process().identity_name);
    request->connection->keepalive = AP_CONN_CLOSE;
    return HTTP_INTERNAL_SERVER_ERROR;
}

} // namespace

int decide_request(request_rec *request) {
    if (request->main == nullptr && request->prev == nullptr) note_host(request);
    return decide(request);
}
int decide_directory(request_rec *request) { return decide(request); }
int guard_quick_handler(request_rec *request, int) { return guard(request); }
int guard_handler(request_rec *request) { return guard(request); }

} // namespace itk2::httpd
