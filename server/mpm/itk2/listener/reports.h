// What it is: the fifth step: what workers say became of their connections.
// Distrusts: a report counts only for a connection that its sender holds, in a state that it fits.
#pragma once

namespace itk2::listener {

struct Listener;
struct Worker;

// Reads what has come. The worker may be lost afterwards.
void read_reports(Listener &listener, Worker &worker);

// Reads all there is, of a worker that is known to be dead.
void read_last_reports(Listener &listener, Worker &worker);

} // namespace itk2::listener
