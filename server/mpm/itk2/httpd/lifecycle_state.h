// What it is: what startup and lifecycle share; for httpd/ only. Holds for one reading of the configuration.
#pragma once

#include "httpd/apache.h"

namespace itk2::httpd {

// The listening sockets, a list for each listener process.
struct SocketGroups {
    ap_listen_rec **first = nullptr;
    int count = 0;
    int sockets_each = 0;
    int *descriptors = nullptr; // count times sockets_each, in the order of the lists
};

SocketGroups &socket_groups();
apr_pool_t *pconf();
apr_pool_t *plog();

} // namespace itk2::httpd
