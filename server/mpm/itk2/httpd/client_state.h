// What it is: what a worker keeps for one connection; for httpd/ only.
#pragma once

#include "base/bytes.h"
#include "httpd/apache.h"

#include <array>

namespace itk2::httpd {

class Client {
  public:
    // Nothing of its next request has been read here: somebody else could.
    [[nodiscard]] bool is_unread() const { return returnable && !head_has_begun; }

    apr_pool_t *pool = nullptr;
    conn_rec *connection = nullptr;
    conn_state_t state{};
    int descriptor = -1;
    apr_socket_t *socket = nullptr; // the same; httpd's

    // see input.cc
    ByteView replay;
    std::size_t head_length = 0; // of a head that is in the socket, to be read alone; 0: none is known to be
    bool head_was_alone = false; // it has been read so, and nothing since

    bool returnable = true;
    bool may_move = false;
    bool is_decided = true;       // the vhost of the last request is the same identity whatever is asked of it
    int admitted_keepalives = 0;  // requests that others had answered
    bool misdirected = false;     // the request that the listener saw was another identity's
    bool ends_silently = false;   // and nothing is to be said of it
    bool head_has_begun = false;  // part of the next head has been read: nobody else could go on
    std::array<char, 256> host{}; // Host of the request answered last, as sent; empty where it is too long
    apr_bucket_brigade *looked_at = nullptr; // empty between looks

    ap_filter_t *holding = nullptr;      // see holding.h
    apr_bucket_brigade *held = nullptr;  // what it holds
    apr_bucket_brigade *piece = nullptr; // empty between passes
    apr_pool_t *held_pool = nullptr;     // of what is held
};

} // namespace itk2::httpd
