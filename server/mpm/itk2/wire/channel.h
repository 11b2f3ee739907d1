// What it is: the channel between a child and the process above it: messages and descriptors go down a socket,
// fixed-size messages come up a pipe, so that no descriptor can ever travel up.
// Trusts: whoever is above. Distrusts: whoever is below: its end of the socket can't send, a pipe can't carry descriptors.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "os/fd.h"
#include "wire/messages.h"

#include <array>
#include <cstddef>
#include <span>

namespace itk2::wire {

// Held by the process above. Both descriptors are close-on-exec and non-blocking.
struct UpperEnd {
    os::Fd down; // sends
    os::Fd up;   // receives
};

// Held by the child. Close-on-exec and blocking.
struct LowerEnd {
    os::Fd down; // receives
    os::Fd up;   // sends
};

// Makes both ends. errno: EMFILE, ENFILE, ENOMEM.
Result make_channel(UpperEnd &upper, LowerEnd &lower);

// Sends one message with its descriptors, whole or not at all; the caller keeps the descriptors.
// Result.error: EAGAIN (the peer does not read), EPIPE, ECONNRESET (it is gone), ETOOMANYREFS.
Result send_down(int down, ByteView message, std::span<const int> descriptors = {});
// The same, waiting up to a second for a peer that is behind.
Result send_down_patiently(int down, ByteView message, std::span<const int> descriptors = {});

struct Received {
    std::array<std::uint8_t, sizeof(Grant)> bytes; // the largest that goes down
    std::size_t size = 0;
    std::array<os::Fd, max_sockets_a_message> descriptors; // close-on-exec; owned here
    std::size_t descriptor_count = 0;

    [[nodiscard]] ByteView view() const { return {bytes.data(), size}; }
};

// Receives one message. Result.step is peer_closed at end of file; error EAGAIN where the descriptor does not
// block, EINTR; EMFILE where not all descriptors that came with a message found room: it is there without them. A
// truncated message is a protocol failure.
Result receive_down(int down, Received &received);

// Sends one message up, whole: up_size bytes are below PIPE_BUF. error: EPIPE when the process above is gone.
Result send_up(int up, ByteView message);

// Collects messages from a pipe that may deliver them in pieces.
class UpReader {
  public:
    // Reads once what is there. peer_closed at end of file; error EAGAIN when there is nothing.
    Result fill(int up);
    // The next whole message, or an empty view. The view holds until the next call of fill().
    ByteView next();

  private:
    std::array<std::uint8_t, up_size * 32> buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

} // namespace itk2::wire
