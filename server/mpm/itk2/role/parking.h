// What it is: the connections that stay with their worker while it serves others: between requests, because their state
// can't leave it (TLS); and while their clients read slowly what is still to be sent.
#pragma once

#include "base/ids.h"
#include "httpd/client.h"

#include <poll.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace itk2::role {

enum class Awaits : std::uint8_t {
    request, // its client's next one
    reading, // its client to read, so that more can be sent
};

struct Parked {
    httpd::Client *client = nullptr;
    ConnectionId id;
    std::int64_t deadline_ms = 0; // when its client has kept silent, been slow with a head, or not read, for too long
    Awaits awaits = Awaits::request;
    bool head_has_begun = false;

    // From its first byte on a head has its own time.
    void begin_head(std::int64_t now_ms);
};

class Parking {
  public:
    static constexpr std::size_t capacity = 512;

    [[nodiscard]] bool is_empty() const { return count_ == 0; }
    // False when it is full.
    [[nodiscard]] bool add(Parked parked);
    // Waits for the channel, a parked client, those tended (-1: there are none) or the next deadline, `until_ms` at the latest.
    // False when none is ready.
    [[nodiscard]] bool wait(int channel, int tended, std::int64_t now_ms, std::int64_t until_ms);
    [[nodiscard]] bool channel_is_ready() const { return channel_is_ready_; }
    // Whether there is one whose client has to read.
    [[nodiscard]] bool is_sending() const { return sending_ > 0; }
    // After wait(): takes out a connection for whose client this was awaited, or that has gone. One that was added since is
    // not among them.
    [[nodiscard]] bool take_ready(Awaits awaited, Parked &parked);
    [[nodiscard]] bool take_overdue(std::int64_t now_ms, Parked &parked);
    // Those that await a request; with `reading` the others too. Their deadline is 0 then.
    void make_overdue(bool reading);

  private:
    void remove(std::size_t place, Parked &parked);

    std::array<Parked, capacity> parked_;
    static constexpr std::size_t others = 2;
    std::array<pollfd, others + capacity> watched_{}; // the channel, those tended, then the parked ones in their order
    std::size_t count_ = 0;
    std::size_t sending_ = 0;
    bool channel_is_ready_ = false;
};

} // namespace itk2::role
