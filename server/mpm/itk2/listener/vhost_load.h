// What it is: how many connections each virtual host has with workers or in the queue: what MaxClientsVHost limits.
#pragma once

#include "base/ids.h"

#include <cstdint>
#include <vector>

namespace itk2::listener {

class VhostLoad {
  public:
    // A new generation: other vhosts, none of them busy.
    void start(std::size_t vhosts) { busy_.assign(vhosts, 0); }

    // `most`: 0 is no limit.
    [[nodiscard]] bool has_room(VhostIndex vhost, std::uint32_t most) const {
        return most == 0 || number(vhost) >= busy_.size() || busy_[number(vhost)] < most;
    }
    void enter(VhostIndex vhost) {
        if (number(vhost) < busy_.size()) busy_[number(vhost)]++;
    }
    void leave(VhostIndex vhost) {
        if (number(vhost) < busy_.size() && busy_[number(vhost)] > 0) busy_[number(vhost)]--;
    }

  private:
    std::vector<std::uint32_t> busy_;
};

} // namespace itk2::listener
