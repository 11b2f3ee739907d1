// What it is: an output filter above TLS's. It lets all pass but files that are larger than a piece, and what comes after
// them; these it reads piece by piece, as the connection takes them. Smaller ones it has read, not mapped.
// Never does: hold more than a piece of anything that is no file; wait for the client, but for a flush.
#include "httpd/holding.h"

namespace itk2::httpd {
namespace {

// httpd's default of what a connection may keep back (FlushMaxThreshold), less what TLS adds.
constexpr apr_size_t piece_size = 48 * 1024;
constexpr auto unbounded = static_cast<apr_size_t>(-1);

ap_filter_rec_t *filter_record;

bool is_held(const Client &client) { return client.held != nullptr && !APR_BRIGADE_EMPTY(client.held); }

// The network's own filter sends such a file without waiting.
bool goes_by_sendfile(const ap_filter_t *filter, const apr_bucket *bucket) {
    const auto *file = static_cast<const apr_bucket_file *>(bucket->data);
    return filter->next->next == nullptr && (apr_file_flags_get(file->fd) & APR_SENDFILE_ENABLED) != 0;
}

// To map so few bytes, to fault them in and to unmap them takes longer than to copy them (ADR 15).
void have_it_read(apr_bucket *file) {
    apr_bucket_file_enable_mmap(file, 0);
    apr_bucket_file_set_buf_size(file, piece_size); // of all parts of this file: ranges share it
}

// Whether there is a large one to be held; the small ones will be read when it is their turn.
bool sort_files(const ap_filter_t *filter, apr_bucket_brigade *brigade) {
    bool has_large = false;
    for (apr_bucket *b = APR_BRIGADE_FIRST(brigade); b != APR_BRIGADE_SENTINEL(brigade); b = APR_BUCKET_NEXT(b)) {
        if (!APR_BUCKET_IS_FILE(b)) continue;
        if (b->length <= piece_size)
            have_it_read(b);
        else if (!goes_by_sendfile(filter, b))
            has_large = true;
    }
    return has_large;
}

// The bytes in memory; more than any bound where they can't be told, or a flush wants all of it sent. Mapped files are not
// held: parts of one belong together.
apr_size_t memory_of(const apr_bucket_brigade *brigade) {
    apr_size_t size = 0;
    for (const apr_bucket *b = APR_BRIGADE_FIRST(brigade); b != APR_BRIGADE_SENTINEL(brigade); b = APR_BUCKET_NEXT(b)) {
        const bool is_unbounded = APR_BUCKET_IS_FLUSH(b) || APR_BUCKET_IS_MMAP(b) || b->length == unbounded;
        if (is_unbounded) return unbounded;
        if (!APR_BUCKET_IS_FILE(b)) size += b->length;
    }
    return size;
}

// Moves the first piece into client.piece: bytes of a file, or what comes before the next file.
apr_status_t take_piece(Client &client) {
    apr_size_t size = 0;
    while (!APR_BRIGADE_EMPTY(client.held) && size < piece_size) {
        apr_bucket *first = APR_BRIGADE_FIRST(client.held);
        if (APR_BUCKET_IS_FILE(first)) {
            // Mapped, it would be memory of all of the file, and belong to whoever sets it aside first.
            apr_bucket_file_enable_mmap(first, 0);
            apr_bucket_file_set_buf_size(first, piece_size - size);
            const char *bytes = nullptr;
            apr_size_t length = 0;
            const apr_status_t status = apr_bucket_read(first, &bytes, &length, APR_BLOCK_READ);
            if (status != APR_SUCCESS) return status;
        }
        if (size > 0 && size + first->length > piece_size + APR_BUCKET_BUFF_SIZE) break;
        size += first->length;
        APR_BUCKET_REMOVE(first);
        APR_BRIGADE_INSERT_TAIL(client.piece, first);
    }
    return APR_SUCCESS;
}

// `waiting`: whatever it takes; else until the connection has not taken all.
apr_status_t pass(Client &client, bool waiting) {
    conn_rec *c = client.connection;
    while (is_held(client) && (waiting || !c->data_in_output_filters)) {
        apr_status_t status = c->aborted ? APR_ECONNABORTED : take_piece(client);
        if (status == APR_SUCCESS) status = ap_pass_brigade(client.holding->next, client.piece);
        apr_brigade_cleanup(client.piece);
        if (status == APR_SUCCESS) continue;
        c->aborted = 1;
        apr_brigade_cleanup(client.held);
        return status;
    }
    if (!is_held(client) && client.held_pool != nullptr) apr_pool_clear(client.held_pool);
    return APR_SUCCESS;
}

apr_status_t hold(ap_filter_t *filter, apr_bucket_brigade *brigade) {
    auto &client = *static_cast<Client *>(filter->ctx);
    conn_rec *c = filter->c;
    if (!is_held(client) && !sort_files(filter, brigade)) return ap_pass_brigade(filter->next, brigade);
    if (client.held == nullptr) {
        client.held = apr_brigade_create(c->pool, c->bucket_alloc);
        client.piece = apr_brigade_create(c->pool, c->bucket_alloc);
        apr_pool_create(&client.held_pool, c->pool);
    }
    const apr_size_t memory = memory_of(brigade);
    const bool must_wait = memory > piece_size || memory > piece_size - memory_of(client.held);
    if (must_wait) {
        if (const apr_status_t status = pass(client, true); status != APR_SUCCESS) return status;
        return ap_pass_brigade(filter->next, brigade);
    }
    const apr_status_t status = ap_save_brigade(filter, &client.held, &brigade, client.held_pool);
    return status == APR_SUCCESS ? pass(client, false) : status;
}

} // namespace

void register_holding() {
    filter_record =
        ap_register_output_filter("ITK2_HOLDING", hold, nullptr, static_cast<ap_filter_type>(AP_FTYPE_CONNECTION + 3));
}

void add_holding(Client &client) {
    client.holding = ap_add_output_filter_handle(filter_record, &client, nullptr, client.connection);
}

bool holds_something(const Client &client) { return is_held(client); }

bool pass_held(Client &client) { return !is_held(client) || pass(client, false) == APR_SUCCESS; }

} // namespace itk2::httpd
