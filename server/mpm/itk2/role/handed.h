// What it is: what a process is handed with its order or its grant: its page of the scoreboard, everybody's pages and
// the listeners' counters where it may see them, its identity's segments, and what to fill those with; in this order.
#pragma once

#include "base/ids.h"
#include "os/segments.h"
#include "role/identity_segments.h"
#include "wire/channel.h"

#include <array>
#include <optional>
#include <span>

namespace itk2::role {

// In the master. The descriptors stay their owners'.
class Handed {
  public:
    void add(int fd) { descriptors_[count_++] = fd; }
    void add(std::span<const int> fds) {
        for (const int fd : fds) add(fd);
    }
    [[nodiscard]] std::span<const int> all() const { return {descriptors_.data(), count_}; }

  private:
    std::array<int, 3 + std::tuple_size_v<decltype(IdentitySegments::Own::descriptors)>> descriptors_;
    std::size_t count_ = 0;
};

// What is among them beside segments.
struct Parts {
    std::optional<Slot> page_of;
    bool sees_all = false;
    bool counters = false; // of the listeners
    bool fills = false;    // what to fill the segments with
};

// In the child, once. Steps protocol, map_memory, those of os/segments.h.
Result take_handed(wire::Received &received, const Parts &parts, const IdentitySegments &segments);

} // namespace itk2::role
