// What it is: where httpd's input of a client connection begins; for httpd/ only.
#pragma once

#include "httpd/client_state.h"

namespace itk2::httpd {

// The next bytes in the socket are a whole request head of so many: it is to be read alone. 0: whatever comes is read.
void expect_head(Client &client, std::size_t length);

} // namespace itk2::httpd
