// What it is: looking at a connection's next request before anybody reads it, so that a slow client holds no worker.
// Distrusts: the client's bytes.
#include "httpd/client.h"
#include "httpd/client_state.h"
#include "httpd/config.h"
#include "httpd/hooks.h"
#include "httpd/known_state.h"
#include "httpd/light.h"
#include "plan/first_bytes.h"

#include <sys/socket.h>

#include <cstring>
#include <string_view>

namespace itk2::httpd {
namespace {

// One for all: nothing of them is kept.
std::array<std::uint8_t, 8192> bytes;

bool is_for_the_same_host(const Client &client, const plan::FirstBytes &first) {
    return first.sight == plan::Sight::http && first.has_host && client.host[0] != '\0' &&
           first.host == std::string_view(client.host.data());
}

// Whether a whole head is there, or more than is looked at.
bool is_whole_head(apr_bucket_brigade *brigade) {
    apr_size_t length = bytes.size();
    if (apr_brigade_flatten(brigade, reinterpret_cast<char *>(bytes.data()), &length) != APR_SUCCESS) return true;
    return plan::look({bytes.data(), length}, length < bytes.size()).sight != plan::Sight::incomplete;
}

bool looks_as_wanted(Client &client, bool light) {
    const ssize_t length = recv(client.descriptor, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
    if (length <= 0) return length == 0; // httpd sees the end for itself
    if (client.may_move && !client.is_decided) return false;
    const plan::FirstBytes first = plan::look({bytes.data(), static_cast<std::size_t>(length)}, true);
    if (!is_for_the_same_host(client, first) || (light && !is_expected_light(first.path))) return false;
    client.head_length = first.head_length;
    return true;
}

} // namespace

bool may_go_on(Client &client) {
    const bool shows_in_socket = client.is_unread() && reads_plainly(client.connection);
    return shows_in_socket ? looks_as_wanted(client, false) : head_is_whole(client);
}

bool may_go_on_lightly(Client &client) { return looks_as_wanted(client, true); }

bool head_is_whole(Client &client) {
    conn_rec *c = client.connection;
    if (client.looked_at == nullptr) client.looked_at = apr_brigade_create(c->pool, c->bucket_alloc);
    const apr_status_t status =
        ap_get_brigade(c->input_filters, client.looked_at, AP_MODE_SPECULATIVE, APR_NONBLOCK_READ, bytes.size());
    client.head_has_begun = !APR_STATUS_IS_EAGAIN(status);
    // Ends and errors httpd sees for itself. mod_ssl shows again what it has left over without reading on, so that half
    // a head would stay half a head: inside TLS its first bytes have to do.
    bool is_whole = client.head_has_begun;
    if (status == APR_SUCCESS && holds_only_known_state(c)) is_whole = is_whole_head(client.looked_at);
    apr_brigade_cleanup(client.looked_at);
    return is_whole;
}

bool head_has_begun(const Client &client) { return client.head_has_begun; }

void note_host(const request_rec *request) {
    auto *client = static_cast<Client *>(ap_get_module_config(request->connection->conn_config, &mpm_itk2_module));
    const char *host = apr_table_get(request->headers_in, "Host");
    if (client == nullptr) return;
    client->is_decided = is_decided(request->server);
    client->host[0] = '\0';
    if (host != nullptr && std::strlen(host) < client->host.size()) std::strcpy(client->host.data(), host);
}

} // namespace itk2::httpd
