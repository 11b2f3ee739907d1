// What it is: httpd's connection processing, turn by turn, in its asynchronous form.
// Trusts: httpd. Distrusts: the client; so do the filters that read it.
#include "httpd/client.h"

#include "httpd/client_state.h"
#include "httpd/holding.h"
#include "httpd/hooks.h"
#include "httpd/known_state.h"
#include "httpd/light.h"
#include "httpd/process.h"
#include "os/own_answers.h"
#include "os/waiting.h"

#include "httpd/apache.h"

#include <sys/socket.h>

#include <new>

namespace itk2::httpd {

namespace {

apr_socket_t *make_socket(int descriptor, apr_pool_t *pool) {
    int family = AF_INET;
    socklen_t length = sizeof family;
    getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &length);
    apr_os_sock_info_t info{};
    info.os_sock = &descriptor;
    info.family = family;
    info.type = SOCK_STREAM;
    info.protocol = APR_PROTO_TCP;
    apr_socket_t *socket = nullptr;
    return apr_os_sock_make(&socket, &info, pool) == APR_SUCCESS ? socket : nullptr;
}

ByteView copy(ByteView bytes, apr_pool_t *pool) {
    if (bytes.empty()) return {};
    return {static_cast<const std::uint8_t *>(apr_pmemdup(pool, bytes.data(), bytes.size())), bytes.size()};
}

// Sends what the output filters still hold, as far as the client takes it. False: it is broken.
// What is held has to wait for what is before it in the network's own filter.
bool send_some(Client &client) {
    conn_rec *c = client.connection;
    if (c->data_in_output_filters) {
        ap_filter_t *core = c->output_filters;
        while (core->next != nullptr) core = core->next;
        if (core->frec->filter_func.out_func(core, nullptr) != APR_SUCCESS) return false;
    }
    return !c->aborted && pass_held(client);
}

void forget(Client *client) {
    apr_pool_t *pool = client->pool;
    ap_update_child_status(process().score, SERVER_READY, nullptr);
    apr_pool_destroy(pool); // closes the socket
}

} // namespace

Client *admit(Admission admission) {
    apr_pool_t *pool = nullptr;
    if (apr_pool_create(&pool, process().pool) != APR_SUCCESS) return nullptr;
    apr_pool_tag(pool, "itk2 client");
    auto *client = new (apr_palloc(pool, sizeof(Client))) Client;
    client->pool = pool;
    client->replay = copy(admission.replay, pool);
    client->head_length = admission.head_length;
    client->returnable = admission.returnable;
    client->may_move = admission.may_move;
    client->descriptor = admission.descriptor.get();

    apr_socket_t *socket = make_socket(admission.descriptor.release(), pool);
    conn_rec *c = socket == nullptr ? nullptr
                                    : ap_run_create_connection(pool, ap_server_conf, socket, process().connection_id,
                                                               process().score, process().buckets);
    if (c == nullptr) {
        apr_pool_destroy(pool);
        return nullptr;
    }
    client->connection = c;
    ap_set_module_config(c->conn_config, &mpm_itk2_module, client);
    c->current_thread = process().thread;
    c->cs = &client->state;
    c->keepalives = static_cast<int>(admission.keepalives);
    client->admitted_keepalives = c->keepalives;

    ap_update_vhost_given_ip(c);
    const int rc = ap_pre_connection(c, socket);
    if ((rc != OK && rc != DONE) || c->aborted) {
        apr_pool_destroy(pool);
        return nullptr;
    }
    add_holding(*client);
    client->state.state = CONN_STATE_READ_REQUEST_LINE;
    client->state.sense = CONN_SENSE_DEFAULT;
    return client;
}

Turn serve(Client &client) {
    conn_rec *c = client.connection;
    for (;;) {
        client.state.state = CONN_STATE_READ_REQUEST_LINE;
        client.head_has_begun = false;
        // A finishing worker tells a client that can't go on elsewhere not to come back; so does a parser, as long as it
        // is one.
        note_stopping(!is_identified() || (process().finishing && !is_returnable(client)));
        const int rc = ap_run_process_connection(c);
        if ((rc != OK && rc != DONE) || c->aborted) return Turn::end;
        if (client.state.state != CONN_STATE_WRITE_COMPLETION) return Turn::end;
        if (const Turn turn = send_more(client); turn != Turn::next) return turn;
        make_way(true); // there may be any number
    }
}

Turn send_more(Client &client) {
    const conn_rec *c = client.connection;
    if (!send_some(client)) return Turn::end;
    if (c->data_in_output_filters || holds_something(client)) return Turn::send;
    if (c->keepalive != AP_CONN_KEEPALIVE) return Turn::end;
    return c->data_in_input_filters && head_is_whole(client) ? Turn::next : Turn::wait;
}

Turn send_rest(Client &client) {
    ap_update_child_status(process().score, SERVER_BUSY_WRITE, nullptr);
    for (;;) {
        if (os::await(client.descriptor, POLLOUT, os::monotonic_ms() + send_timeout_ms(client)) <= 0) {
            client.connection->aborted = 1;
            return Turn::end;
        }
        if (const Turn turn = send_more(client); turn != Turn::send) return turn;
    }
}

std::int64_t send_timeout_ms(const Client &client) { return client.connection->base_server->timeout / 1000; }

bool is_returnable(const Client &client) { return client.is_unread() && holds_only_known_state(client.connection); }

std::uint32_t keepalives(const Client &client) { return static_cast<std::uint32_t>(client.connection->keepalives); }

int descriptor(const Client &client) { return client.descriptor; }

std::int64_t keepalive_timeout_ms(const Client &client) {
    return client.connection->base_server->keep_alive_timeout / 1000;
}

void note_waiting() { ap_update_child_status(process().score, SERVER_BUSY_KEEPALIVE, nullptr); }

bool was_misdirected(const Client &client) { return client.misdirected; }

void release(Client *client) { forget(client); }

// httpd's own words would take a request, which is not there.
void answer_late_head(Client &client) {
    conn_rec *c = client.connection;
    os::RefusalBytes buffer;
    const ByteView answer = os::refusal_answer(os::Refusal::request_timeout, 0, buffer);
    apr_bucket_brigade *brigade = apr_brigade_create(c->pool, c->bucket_alloc);
    (void)apr_brigade_write(brigade, nullptr, nullptr, reinterpret_cast<const char *>(answer.data()), answer.size());
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_flush_create(c->bucket_alloc));
    (void)ap_pass_brigade(c->output_filters, brigade);
}

void end(Client *client) {
    // What was kept from being sent is gone; the end itself is told.
    if (client->ends_silently) client->connection->aborted = 0;
    // Errors end it as well: the listener, which holds the connection, drains and closes it.
    (void)ap_start_lingering_close(client->connection);
    forget(client);
}

void abandon(Client *client) {
    client->ends_silently = false;
    client->connection->aborted = 1;
    end(client);
}

} // namespace itk2::httpd
