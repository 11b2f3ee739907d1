// What it is: the connections whose light requests a worker answers in turn while many want one, so that each request is
// not handed over for itself. Any of them can go back to the listener between two requests.
#pragma once

#include "base/ids.h"
#include "httpd/client.h"
#include "os/fd.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace itk2::role {

class Tended {
  public:
    static constexpr std::size_t capacity = 128;

    struct Place {
        httpd::Client *client = nullptr; // nullptr: the place is free
        ConnectionId id;
        std::int64_t since_ms = 0; // when it was answered last
        std::int64_t begun_ms = 0; // when it was added
        bool is_ready = false;     // its client had sent something when we looked
    };

    [[nodiscard]] bool is_full() const { return count_ == capacity; }
    [[nodiscard]] bool is_empty() const { return count_ == 0; }
    // Readable when a client has sent something; -1 where there is none.
    [[nodiscard]] int descriptor() const { return is_empty() ? -1 : poller_.get(); }
    // False where there is no room.
    [[nodiscard]] bool add(httpd::Client *client, ConnectionId id, std::int64_t now_ms);
    // Which are ready now.
    void look();
    // One of these; it keeps its place. nullptr: no more.
    Place *next_ready();
    // One that is not ready, and was answered last before then. nullptr: there is none.
    Place *find_silent(std::int64_t before_ms);
    // The one added first. nullptr: there is none.
    Place *oldest();
    // Before its descriptor is closed: the open file lives on in the listener.
    void remove(Place &place);

  private:
    std::array<Place, capacity> places_;
    os::Fd poller_;
    std::size_t count_ = 0;
    std::size_t next_ = 0; // place to go on at
};

} // namespace itk2::role
