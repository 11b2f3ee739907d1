// What it is: one client connection in a worker, from its descriptor to its end, with httpd doing the work.
// Runs as: the worker's identity. Says what became of the connection; what to do with it is role/worker's.
#pragma once

#include "base/bytes.h"
#include "base/ids.h"
#include "os/fd.h"

#include <cstdint>

namespace itk2::httpd {

class Client;

struct Admission {
    os::Fd descriptor;
    std::uint32_t keepalives = 0; // requests answered on it before it came here
    ByteView replay;              // the PROXY header the client sent once; copied
    std::size_t head_length = 0;  // of the head that waits in the socket; 0: not known
    bool returnable = true;       // false: the listener can't have it back
    bool may_move = false;        // its next request may be another identity's
};

enum class Turn : std::uint8_t {
    wait, // answered and sent; the client may send another request, which is not whole yet
    next, // answered and sent; the next request is there: serve() it
    send, // answered, but the client has to read before more can be sent: send_more() then
    end,  // over, or broken: end() it
};

// Makes a connection of the descriptor; nullptr when httpd refuses it (the descriptor is then closed).
// Call begin_serving() once before.
Client *admit(Admission admission);

// Lets httpd read and answer requests until the client has to be waited for; never Turn::next. Blocks on the client's reads,
// and on its writes as far as more is to be sent at once than httpd buffers.
Turn serve(Client &client);

// After Turn::send: sends as much as the client takes now.
[[nodiscard]] Turn send_more(Client &client);
// The same, waiting for the client until all is sent; never Turn::send.
[[nodiscard]] Turn send_rest(Client &client);
// How long it may leave unread what was sent.
[[nodiscard]] std::int64_t send_timeout_ms(const Client &client);

// Whether another process could go on with this connection: no TLS, no filter or module that keeps state with it.
[[nodiscard]] bool is_returnable(const Client &client);
[[nodiscard]] std::uint32_t keepalives(const Client &client);
[[nodiscard]] int descriptor(const Client &client);
[[nodiscard]] std::int64_t keepalive_timeout_ms(const Client &client);

// The client has sent something. Whether it may be answered here and now: it is whole, and for the same host as the last
// request. Else it is the listener's to look at, which waits for the rest, and knows whose other hosts are; or, where
// the connection can't be returned, it is to be parked until the rest is there.
[[nodiscard]] bool may_go_on(Client &client);

// The same for a returnable connection that is answered in turn with others: and it is expected to be light.
[[nodiscard]] bool may_go_on_lightly(Client &client);

// Whether the next request's head has come whole (or never will), for connections that can't be returned: looks at it
// where httpd will read it. Inside TLS, whether anything of it has come. Does not wait.
[[nodiscard]] bool head_is_whole(Client &client);
// Whether part of that head has come, as far as has been looked.
[[nodiscard]] bool head_has_begun(const Client &client);

// Shows in the scoreboard that a client is waited for.
void note_waiting();

// Whether the request that it was handed over with was another identity's.
[[nodiscard]] bool was_misdirected(const Client &client);

// Gives up this process's share of a returnable connection; the connection lives on elsewhere.
void release(Client *client);
// Answers 408 where the head of a next request has begun and has not ended in its time. end() comes after it.
void answer_late_head(Client &client);
// Flushes, takes leave (TLS close_notify), shuts down for writing, and gives up this process's share.
void end(Client *client);
// The same for one whose client does not read: what is still to be sent is thrown away.
void abandon(Client *client);

} // namespace itk2::httpd
