// What it is: the fourth step: a connection goes down to a worker; and all that is decided about a worker's life:
// when it is idle, hurried, finished, lost.
#pragma once

#include "wire/messages.h"

namespace itk2::listener {

struct Connection;
struct Listener;
struct Pool;
struct Worker;

enum class Handed : bool { no, yes };

// Sends a duplicate. `no`: this worker can't take it now, and is in no idle list any more.
// The connection is in state looking before; busy after `yes`.
Handed hand_over(Listener &listener, Worker &worker, Connection &connection);

// Whether the worker may answer this connection's next requests among others', unseen: plain HTTP that goes nowhere else,
// where nobody counts busy connections.
[[nodiscard]] bool may_tend(const Worker &worker, const Connection &connection);

// Asks busy workers not to wait for their client's next request: others wait for them.
void hurry(Listener &listener, Pool &pool);

// A worker's holdings have changed: it is idle, busy or at its end now. Serves the queue where it became idle.
// The worker may be lost afterwards.
void settle(Listener &listener, Worker &worker);

// A parser has been granted this identity: what it holds is that pool's from now on, and all it will ever be given.
// Nothing happens where it is none any more. The worker may be lost afterwards.
void identify(Listener &listener, Worker &worker, const wire::Identified &message);

// No more connections for it; it exits. The worker may be lost afterwards.
void finish(Listener &listener, Worker &worker, bool keep_parked);

// Its channel has ended or the master says so: what it held is closed, or given to another if it never served.
void lose(Listener &listener, Worker &worker);
// The same, because it sent what it may not.
void lose_broken(Listener &listener, Worker &worker);
// Nothing of it is left.
void forget(Listener &listener, Worker &worker);

// The least recently used idle worker of another identity ends, but no parser; later, where none is idle.
void evict(Listener &listener, IdentityKey for_identity);
// The same where nobody waits for it yet: one that holds no connection, or none.
void evict_ahead(Listener &listener);

// The clock's word.
void worker_expired(Listener &listener, Worker &worker);

} // namespace itk2::listener
