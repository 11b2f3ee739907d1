// What it is: whether a connection holds only state that another process can make anew.
#pragma once

struct conn_rec;

namespace itk2::httpd {

// Whether httpd reads the connection as the client sends it, so that the next head can be seen in the socket.
[[nodiscard]] bool reads_plainly(const conn_rec *connection);

// False as soon as one filter, note or module configuration of the connection is of an unknown kind:
// better parked than lost.
[[nodiscard]] bool holds_only_known_state(const conn_rec *connection);

} // namespace itk2::httpd
