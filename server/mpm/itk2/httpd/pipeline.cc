// What it is: a filter that sees httpd look, above TLS's; and httpd's bucket of a socket, which has nothing for such a look.
// What TLS or the network's filter has read beyond a request, httpd sees as ever.
#include "httpd/pipeline.h"

namespace itk2::httpd {
namespace {

ap_filter_rec_t *filter_record;
bool is_look = false; // at what has been read
apr_bucket_type_t network_type;

// ap_check_pipeline(), once the request's end is on its way.
bool is_for_pipelined(const Client &client, ap_input_mode_t mode, apr_read_type_e block) {
    return mode == AP_MODE_SPECULATIVE && block == APR_NONBLOCK_READ && client.is_answered && !client.looks_at_socket;
}

apr_status_t pass_look(ap_filter_t *filter, apr_bucket_brigade *brigade, ap_input_mode_t mode, apr_read_type_e block,
                       apr_off_t bytes) {
    is_look = is_for_pipelined(*static_cast<const Client *>(filter->ctx), mode, block);
    const apr_status_t status = ap_get_brigade(filter->next, brigade, mode, block, bytes);
    is_look = false;
    return status;
}

apr_status_t read_network(apr_bucket *bucket, const char **bytes, apr_size_t *length, apr_read_type_e block) {
    if (is_look) return APR_EAGAIN;
    const apr_status_t status = apr_bucket_type_socket.read(bucket, bytes, length, block);
    // What it has read is a bucket of its own, and the socket's another one behind it.
    apr_bucket *rest = APR_BUCKET_NEXT(bucket);
    if (status == APR_SUCCESS && bucket->type != &network_type && rest->type == &apr_bucket_type_socket)
        rest->type = &network_type;
    return status;
}

} // namespace

void register_pipeline() {
    network_type = apr_bucket_type_socket;
    network_type.read = read_network;
    filter_record = ap_register_input_filter("ITK2_PIPELINE", pass_look, nullptr,
                                             static_cast<ap_filter_type>(AP_FTYPE_CONNECTION + 3));
}

void add_pipeline(Client &client) { ap_add_input_filter_handle(filter_record, &client, nullptr, client.connection); }

apr_bucket *create_network_bucket(apr_socket_t *socket, apr_bucket_alloc_t *list) {
    apr_bucket *bucket = apr_bucket_socket_create(socket, list);
    bucket->type = &network_type;
    return bucket;
}

} // namespace itk2::httpd
