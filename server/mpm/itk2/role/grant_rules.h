// What it is: the master's own copy of what parsers may be granted. A parser may ask in the next generation about a
// request of its own, so the rules of the last one are kept.
// Plain data, malloc'ed: it outlives reloads of the module.
#pragma once

#include "base/ids.h"
#include "plan/wish.h"

#include <cstdint>

namespace itk2::role {

class GrantRules {
  public:
    // Copies what the configuration in force says. False when memory is short.
    [[nodiscard]] bool copy(Generation generation);
    void give_back();

    [[nodiscard]] bool are_of(Generation generation) const { return vhosts_ != nullptr && generation_ == generation; }
    // Nothing is allowed for a vhost that there is not.
    [[nodiscard]] plan::GrantRule rule(VhostIndex vhost) const;
    [[nodiscard]] bool allow(IdentityKey key) const;
    [[nodiscard]] bool allow_nice(int nice) const;

  private:
    Generation generation_{};
    std::uint32_t vhost_count_ = 0;
    std::uint32_t identity_count_ = 0;
    plan::GrantRule *vhosts_ = nullptr;
    bool *identities_ = nullptr;
    std::uint64_t nice_ = 0; // a bit for each value from -20 on
};

} // namespace itk2::role
