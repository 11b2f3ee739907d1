// What it is: what the judge asks: every host, path and address that a configuration suggests, and strange ones.
#pragma once

#include "httpd/apache.h"

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace itk2::testing {

struct LocalAddress {
    int family = APR_INET;
    std::vector<std::uint8_t> bytes; // 4 or 16
};

struct Questions {
    std::vector<std::string> hosts;
    std::vector<std::string> paths;
    std::vector<LocalAddress> addresses;
    std::vector<apr_port_t> ports;
};

// `strange`: how many hosts and paths made by chance to add.
Questions questions_about(server_rec *main_server, std::size_t strange, std::mt19937 &chance);

} // namespace itk2::testing
