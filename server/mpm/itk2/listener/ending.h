// What it is: the last step: connections end here: refused, drained, shed or closed.
// A close never blocks, and never takes unread bytes with it while there is time to drain them.
#pragma once

#include "os/own_answers.h"

#include <cstdint>

namespace itk2::listener {

struct Connection;
struct Listener;

// Takes the connection out of whatever its state keeps it in; its state is looking then. Its worker isn't settled.
void detach(Listener &listener, Connection &connection);
// The half of it that is a queue's: one that goes to a worker stays counted as its virtual host's.
void leave_queue(Listener &listener, Connection &connection);

// Gone, now.
void close_now(Listener &listener, Connection &connection);
// Shut down for writing by us; drained; closed.
void shut_down(Listener &listener, Connection &connection);
// Shut down for writing by its worker; drained; closed.
void drain(Listener &listener, Connection &connection);
// Answered by us where that makes sense (a request in plain HTTP); then as shut_down().
void refuse(Listener &listener, Connection &connection, os::Refusal refusal);

// The poller's and the clock's words about a lingering connection.
void drain_more(Listener &listener, Connection &connection);
void linger_expired(Listener &listener, Connection &connection);

// Closes the connection that is missed least: the longest idle, else lingering, else waiting. False: there is none.
bool shed_one(Listener &listener);

} // namespace itk2::listener
