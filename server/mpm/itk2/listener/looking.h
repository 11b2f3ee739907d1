// What it is: the second step: look at a connection's first bytes, leave them where they are, find the route.
// Distrusts: every byte. Looks again while more may come, but not more often than pays.
#pragma once

#include <cstdint>

namespace itk2::listener {

struct Connection;
struct Listener;

// Looks, and passes it on: to assigning when the route is known, to waiting when it is not, to its end when the
// client has gone. The connection may be gone afterwards.
void look(Listener &listener, Connection &connection);

// Looks again after a while, whatever comes meanwhile.
void look_later(Listener &listener, Connection &connection, std::uint64_t wait_ms);

// The poller's word about a waiting or idle connection.
void bytes_came(Listener &listener, Connection &connection, std::uint32_t events);

// The clock's word: look now, or the head took too long.
void waiting_expired(Listener &listener, Connection &connection);

// The server stops: those that wait for their first request don't have long any more.
void hasten_waiting(Listener &listener);

// A worker has answered and keeps the connection: wait for the first byte of its next request.
void wait_for_next(Listener &listener, Connection &connection);

} // namespace itk2::listener
