// What it is: whose memory is kept though it has no process: as much as is allowed, of those that had one last.
// Pure. Whose memory it is stands here; the memory is the caller's.
#pragma once

#include "base/growing_array.h"
#include "base/ids.h"

#include <algorithm>
#include <cstdint>

namespace itk2::plan {

class KeptMemory {
  public:
    void allow(std::uint64_t bytes, std::size_t count) {
        most_bytes_ = bytes;
        most_ = count;
    }
    // Its last process has ended. False: it can't be kept, as it alone is too much, or there is no room to note it.
    [[nodiscard]] bool keep(IdentityKey identity, std::uint64_t bytes) {
        if (most_ == 0 || bytes > most_bytes_) return false;
        kept_.add({identity, bytes});
        if (kept_.has_failed()) return false;
        bytes_ += bytes;
        return true;
    }
    // It has a process again, or is gone. Of any identity.
    void forget(IdentityKey identity) {
        const auto kept = kept_.items();
        const auto found = std::find_if(kept.begin(), kept.end(), [=](Kept one) { return one.identity == identity; });
        if (found == kept.end()) return;
        bytes_ -= found->bytes;
        std::copy(found + 1, kept.end(), found);
        kept_.shrink(kept.size() - 1);
    }
    // Who is to go next, as long as more is kept than is allowed; else no_identity.
    [[nodiscard]] IdentityKey surplus() const {
        return bytes_ > most_bytes_ || kept_.size() > most_ ? kept_.items().front().identity : no_identity;
    }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    [[nodiscard]] std::size_t count() const { return kept_.size(); }

  private:
    struct Kept {
        IdentityKey identity;
        std::uint64_t bytes;
    };

    GrowingArray<Kept> kept_; // who has been without a process for longest comes first
    std::uint64_t bytes_ = 0;
    std::uint64_t most_bytes_ = 0;
    std::size_t most_ = 0;
};

} // namespace itk2::plan
