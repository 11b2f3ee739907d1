// What it is: a client of the listener under test, on loopback.
// Every wait ends the test where nothing comes for wait_ms: no claim depends on how fast something is.
#pragma once

#include "os/fd.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace itk2::testing {

inline constexpr int wait_ms = 20'000;

// Waits until there is something to read, or the other side has ended.
void await_readable(int fd);
// Everything up to the end of the stream. `was_reset` tells a reset from an orderly end.
std::string read_to_end(int fd, bool *was_reset = nullptr);
// Exactly so many bytes.
std::string read_exactly(int fd, std::size_t length);
void send_all(int fd, std::string_view bytes);
// Fails the test where these are not the same.
void assert_text(const std::string &found, std::string_view expected);
// How many bytes lie unread in the socket.
std::size_t unread(int fd);

class FakeClient {
  public:
    // `last`: of 127.0.0.x, all of which are this machine; and of the client's own; 0: the kernel's choice.
    explicit FakeClient(std::uint16_t port, std::uint8_t last = 1, std::uint8_t own_last = 0);

    void send(std::string_view bytes) { send_all(socket.get(), bytes); }
    void shut_down();
    std::string read(std::size_t length) { return read_exactly(socket.get(), length); }
    // The rest of the stream; fails the test where it is reset.
    std::string read_rest();

    os::Fd socket;
};

} // namespace itk2::testing
