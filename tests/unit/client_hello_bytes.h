// What it is: ClientHellos and their TLS records, made for tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace itk2::testing {

inline std::string number(std::size_t value, int bytes) {
    std::string text;
    while (bytes-- > 0) text += static_cast<char>(value >> (8 * bytes) & 0xff);
    return text;
}

inline std::string with_length(std::string_view content, int bytes) {
    return number(content.size(), bytes) + std::string(content);
}

inline std::string extension(std::size_t type, std::string_view content) {
    return number(type, 2) + with_length(content, 2);
}

inline std::string server_name(std::string_view name) {
    return extension(0, with_length(number(0, 1) + with_length(name, 2), 2));
}

// A handshake message: type, length, content.
inline std::string hello_message(std::string_view extensions, std::size_t type = 1) {
    const std::string body = number(0x0303, 2) + std::string(32, 'r') + with_length(std::string(32, 's'), 1) +
                             with_length("\x13\x01\x13\x02", 2) + with_length(std::string(1, '\0'), 1) +
                             with_length(extensions, 2);
    return number(type, 1) + with_length(body, 3);
}

// The message in records of at most that many bytes.
inline std::string records(std::string_view message, std::size_t record_length = 1 << 14) {
    std::string bytes;
    for (std::size_t i = 0; i < message.size(); i += record_length)
        bytes += std::string("\x16\x03\x01") + with_length(std::string(message).substr(i, record_length), 2);
    return bytes;
}

inline std::string client_hello(std::string_view name) {
    return records(hello_message(extension(10, "group") + server_name(name) + extension(16, "alpn")));
}

} // namespace itk2::testing
