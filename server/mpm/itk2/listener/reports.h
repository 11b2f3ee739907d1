// What it is: the fifth step: what workers say became of their connections.
// Distrusts: a report counts only for a connection that its sender holds, in a state that it fits.
#pragma once

namespace itk2::listener {

struct Listener;
struct Worker;

// Reads what has come, once. False: it was a parser's, and is kept: all orders that have come by now are to be read
// before judge_reports(), for the master says what a parser has become before the parser itself can say anything as that.
// The worker may be lost afterwards.
[[nodiscard]] bool read_reports(Listener &listener, Worker &worker);

// Takes what has been read and kept. The worker may be lost afterwards.
void judge_reports(Listener &listener, Worker &worker);

// Reads all there is, of a worker that is known to be dead; the orders up to its end have been read.
void read_last_reports(Listener &listener, Worker &worker);

} // namespace itk2::listener
