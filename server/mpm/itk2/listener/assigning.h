// What it is: the third step: a connection whose route is known finds an idle worker of its identity, or waits for one
// in the pool's queue. Here it is decided when more workers are wanted.
#pragma once

namespace itk2::listener {

struct Connection;
struct Listener;
struct Pool;

// For a connection in state looking with its route set. The connection may be gone afterwards.
void assign(Listener &listener, Connection &connection);

// Gives waiting connections to idle workers, the longest waiting first.
void serve_queue(Listener &listener, Pool &pool);

// A worker died before it served this one: it goes back to the head of the queue, if that may still help.
void assign_again(Listener &listener, Connection &connection);

// The clock's words.
void queue_expired(Listener &listener, Connection &connection);
void pool_expired(Listener &listener, Pool &pool);

// Tells the master one more time what the pool wants, if that has changed.
void note_want(Listener &listener, Pool &pool);

} // namespace itk2::listener
