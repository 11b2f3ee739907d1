// What it is: what is known of places whose identity only httpd can tell: who it was the last time. So that the next
// connection there finds a worker at once. The worker decides, and says so where it was wrong.
// Its memory is bounded, and there only while some virtual host has a use for it.
#pragma once

#include "base/ids.h"
#include "plan/hint_key.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace itk2::listener {

class Hints {
  public:
    static constexpr std::size_t most = 1 << 16;
    // A place where it was wrong once gets none for so long.
    static constexpr std::uint64_t distrust_ms = 600'000;
    // A virtual host where it was wrong so often gets none any more: something else than the place decides there.
    static constexpr std::uint8_t most_wrong = 3;
    static constexpr std::uint64_t for_good = UINT64_MAX;

    // A new generation: nothing is known, and nothing will be where no vhost needs it.
    void start(bool is_needed, std::size_t vhost_count);

    [[nodiscard]] bool are_trusted(VhostIndex vhost) const {
        return number(vhost) < wrong_.size() && wrong_[number(vhost)] < most_wrong;
    }
    // The identity expected there; no_identity: none is.
    [[nodiscard]] IdentityKey find(plan::HintKey key, std::uint64_t now_ms);
    // It was this identity's, and is expected to be until then. If another was expected, neither is from now on.
    void learn(plan::HintKey key, IdentityKey identity, std::uint64_t now_ms, std::uint64_t until_ms = for_good);
    // A request there was not this identity's. Counts where that is what was expected. True where the virtual host's
    // hints are trusted no more by that.
    bool refute(plan::HintKey key, VhostIndex vhost, IdentityKey identity, std::uint64_t now_ms);

    [[nodiscard]] std::size_t count() const;

  private:
    struct Hint {
        plan::HintKey key = plan::no_hint;
        IdentityKey identity = no_identity;
        std::uint32_t until_s = 0; // no identity: not to be learnt before; else: expected until
    };
    // The one used last is the first.
    static constexpr std::size_t ways = 4;
    using Set = std::array<Hint, ways>;
    static_assert(sizeof(Set) == 64);

    // Its place in its set, moved to the front; nullptr where there is none.
    Hint *use(plan::HintKey key);
    // Takes the place of the one that was used longest ago.
    Hint &add(plan::HintKey key);
    Set &set_of(plan::HintKey key) { return sets_[static_cast<std::uint64_t>(key) % sets_.size()]; }

    static void distrust(Hint &hint, std::uint64_t now_ms);

    std::vector<Set> sets_;
    std::vector<std::uint8_t> wrong_; // by vhost
};

} // namespace itk2::listener
