// What it is: the second decision, for the request httpd has really read; the listener's look was a hint. And the first
// one, where only httpd can tell: there a parser becomes what the request is to run as.
// Runs as: a worker, or a parser. A request of another identity ends here, before any handler and any file of the site.
#include "httpd/board.h"
#include "httpd/client_state.h"
#include "httpd/config.h"
#include "httpd/config_state.h"
#include "httpd/hooks.h"
#include "httpd/itk_config.h"
#include "httpd/light.h"
#include "httpd/log.h"
#include "httpd/process.h"
#include "httpd/wishes.h"

namespace itk2::httpd {
namespace {

// Set for each request that has been found to be this process's.
constexpr char decided_mark[] = "";

bool is_main(const request_rec *request) { return request->main == nullptr && request->prev == nullptr; }

void mark_decided(request_rec *request) {
    ap_set_module_config(request->request_config, &mpm_itk2_module, const_cast<char *>(decided_mark));
}

bool is_marked(const request_rec *request) {
    return ap_get_module_config(request->request_config, &mpm_itk2_module) == decided_mark;
}

unsigned port_of(const request_rec *request) { return static_cast<unsigned>(request->server->port); }

// On a connection that was kept the client is told what it would be told had the connection become stale: nothing.
// It asks again on another one.
int misdirect(request_rec *request) {
    conn_rec *connection = request->connection;
    log(LogId::misdirected, request->server->server_hostname, port_of(request), process().self.name);
    auto *client = static_cast<Client *>(ap_get_module_config(connection->conn_config, &mpm_itk2_module));
    if (request->main != nullptr) return HTTP_MISDIRECTED_REQUEST;
    connection->keepalive = AP_CONN_CLOSE;
    if (client == nullptr) return HTTP_MISDIRECTED_REQUEST;
    // Only the first request here was the listener's to see.
    client->misdirected = connection->keepalives == client->admitted_keepalives;
    if (is_main(request) && connection->keepalives > 0) {
        client->ends_silently = true;
        connection->aborted = 1;
    }
    return HTTP_MISDIRECTED_REQUEST;
}

int fail(request_rec *request, int status) {
    request->connection->keepalive = AP_CONN_CLOSE;
    return status;
}

int fail(request_rec *request, Wished wished) {
    return fail(request, wished == Wished::later ? HTTP_SERVICE_UNAVAILABLE : HTTP_INTERNAL_SERVER_ERROR);
}

bool is_mine(const plan::Wish &wish) {
    const plan::Identity &self = process().self;
    if (wish.uid != self.uid || wish.gid != self.gid || wish.nice != self.nice) return false;
    if (wish.key == no_identity || wish.key == process().identity) return true;
    plan::Identity named = identity(wish.key);
    named.nice = wish.nice;
    return plan::equal(named, self);
}

// A parser becomes what the request wants; what is one thing already compares.
int settle(request_rec *request, const plan::Wish &wish) {
    if (is_identified()) return is_mine(wish) ? DECLINED : misdirect(request);
    switch (process().become.ask(process().become.self, wish)) {
    case Became::yes: note_stopping(false); return DECLINED;
    case Became::refused: process().was_refused = true; return fail(request, HTTP_INTERNAL_SERVER_ERROR);
    case Became::later: process().was_refused = true; return fail(request, HTTP_SERVICE_UNAVAILABLE);
    }
    return fail(request, HTTP_INTERNAL_SERVER_ERROR);
}

bool is_mine_by_vhost(const request_rec *request) {
    return is_identified() && identity_of(request->server) == process().identity;
}

int decide_by_vhost(request_rec *request) { return is_mine_by_vhost(request) ? DECLINED : misdirect(request); }

int guard(request_rec *request) {
    if (is_decided(request->server) ? is_mine_by_vhost(request) : is_identified() && is_marked(request))
        return DECLINED;
    log(LogId::undecided, request->server->server_hostname, port_of(request), process().self.name);
    return fail(request, HTTP_INTERNAL_SERVER_ERROR);
}

} // namespace

int decide_request(request_rec *request) {
    if (is_main(request)) {
        note_host(request);
        make_way_for_body(request);
    }
    if (config_state().id_writer && is_main(request)) forget_written_ids(request);
    return is_decided(request->server) ? decide_by_vhost(request) : DECLINED;
}

int decide_storage(request_rec *request) {
    if (is_decided(request->server)) return decide_by_vhost(request);
    // Looked up for a request that is undecided itself: nothing of it will run before that is.
    if (!is_identified() && request->main != nullptr) return DECLINED;
    // Asked and answered: this is the error's own document.
    if (process().was_refused) return fail(request, HTTP_INTERNAL_SERVER_ERROR);
    plan::Wish wish;
    const Wished wished = wish_by_text(request, wish);
    if (wished == Wished::found) return settle(request, wish);
    process().was_refused = !is_identified();
    return fail(request, wished);
}

int decide_directory(request_rec *request) {
    if (is_decided(request->server)) return decide_by_vhost(request);
    if (!is_identified()) return request->main != nullptr ? DECLINED : guard(request);
    plan::Wish wish;
    const Wished wished = wish_by_config(request, wish);
    if (wished != Wished::found) return fail(request, wished);
    if (!is_mine(wish)) return misdirect(request);
    mark_decided(request);
    return DECLINED;
}

// Other modules' quick handlers answer before anything tells whose request it is; so that is found out first.
int guard_quick_handler(request_rec *request, int lookup) {
    if (is_decided(request->server)) return guard(request);
    if (lookup != 0) return DECLINED;
    const int status = ap_process_request_internal(request);
    return status == OK ? ap_invoke_handler(request) : status;
}

int guard_handler(request_rec *request) {
    look_again(); // it may be the server's status that is asked for
    const int status = guard(request);
    if (status == DECLINED) make_way_unless_light(request);
    return status;
}

} // namespace itk2::httpd
