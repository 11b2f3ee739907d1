// What it is: the bucket that httpd's network filter reads a client from. It is the socket's, but that a head which has been
// looked at is read alone: what the client has sent behind it stays where the next look, whoever's it is, finds it; and
// httpd's own look for it, after each answer, needs no system call.
// Distrusts: the client, and whoever told the length: where less is there, the rest is read as it comes.
#include "httpd/client_state.h"
#include "httpd/hooks.h"

#include <sys/socket.h>

#include <utility>

namespace itk2::httpd {
namespace {

apr_status_t read_input(apr_bucket *bucket, const char **bytes, apr_size_t *length, apr_read_type_e block);

constexpr apr_bucket_type_t input_type = {"ITK2_INPUT",
                                          5,
                                          apr_bucket_type_t::APR_BUCKET_DATA,
                                          apr_bucket_destroy_noop,
                                          read_input,
                                          apr_bucket_setaside_notimpl,
                                          apr_bucket_split_notimpl,
                                          apr_bucket_copy_notimpl};

// Of a bucket that is the socket's.
apr_bucket *make_input(apr_bucket *bucket, Client &client) {
    bucket->type = &input_type;
    bucket->data = &client;
    return bucket;
}

apr_bucket *create_input(Client &client, apr_bucket_alloc_t *list) {
    return make_input(apr_bucket_socket_create(client.socket, list), client);
}

// As httpd itself would. What is left of the socket is ours again.
apr_status_t read_socket(Client &client, apr_bucket *bucket, const char **bytes, apr_size_t *length,
                         apr_read_type_e block) {
    apr_bucket_socket_make(bucket, client.socket);
    const apr_status_t status = apr_bucket_read(bucket, bytes, length, block);
    if (status != APR_SUCCESS)
        make_input(bucket, client);
    else if (*length > 0)
        make_input(APR_BUCKET_NEXT(bucket), client);
    return status;
}

// False where it is not there, so that somebody else is to find out why.
bool read_head(Client &client, std::size_t wanted, apr_bucket *bucket, const char **bytes, apr_size_t *length) {
    apr_bucket_alloc_t *list = bucket->list;
    auto *room = static_cast<char *>(apr_bucket_alloc(wanted, list));
    const ssize_t got = recv(client.descriptor, room, wanted, MSG_DONTWAIT);
    if (got <= 0) {
        apr_bucket_free(room);
        return false;
    }
    *bytes = room;
    *length = static_cast<apr_size_t>(got);
    client.head_was_alone = *length == wanted;
    apr_bucket_heap_make(bucket, room, *length, apr_bucket_free);
    APR_BUCKET_INSERT_AFTER(bucket, create_input(client, list));
    return true;
}

apr_status_t read_input(apr_bucket *bucket, const char **bytes, apr_size_t *length, apr_read_type_e block) {
    auto &client = *static_cast<Client *>(bucket->data);
    const std::size_t head = std::exchange(client.head_length, 0);
    const bool nothing_was_read_since = std::exchange(client.head_was_alone, false);
    if (head > 0 && read_head(client, head, bucket, bytes, length)) return APR_SUCCESS;
    if (nothing_was_read_since && block == APR_NONBLOCK_READ) {
        *bytes = nullptr;
        *length = 0;
        return APR_EAGAIN;
    }
    return read_socket(client, bucket, bytes, length, block);
}

} // namespace

apr_status_t begin_input(conn_rec *c, apr_bucket_brigade *brigade, apr_socket_t *socket) {
    auto *client = static_cast<Client *>(ap_get_module_config(c->conn_config, &mpm_itk2_module));
    if (client == nullptr) return AP_DECLINED; // a backend's
    client->socket = socket;
    if (!client->replay.empty()) {
        apr_bucket *header = apr_bucket_heap_create(reinterpret_cast<const char *>(client->replay.data()),
                                                    client->replay.size(), nullptr, c->bucket_alloc);
        APR_BRIGADE_INSERT_TAIL(brigade, header);
    }
    APR_BRIGADE_INSERT_TAIL(brigade, create_input(*client, c->bucket_alloc));
    return APR_SUCCESS;
}

} // namespace itk2::httpd
