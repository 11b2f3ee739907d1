// What it is: identities found out for requests, remembered for a while, so that not every grant asks the account
// database. Direct-mapped: of two that meet in a place the later one stays. Pure: the clock is an argument.
#pragma once

#include "base/ids.h"

#include <sys/types.h>

#include <array>
#include <cstdint>

namespace itk2::plan {

struct KnownAccount {
    uid_t uid = 0;
    gid_t gid = 0;
    bool exists = false;                // has an entry
    IdentityKey identity = no_identity; // its ids and groups, nice value 0
    std::int64_t until_ms = 0;          // not known any more from then on
};

class AccountCache {
  public:
    // What is known of these ids, or nullptr.
    [[nodiscard]] const KnownAccount *find(uid_t uid, gid_t gid, std::int64_t now_ms) const {
        const KnownAccount &known = places_[place_of(uid, gid)];
        const bool is_it = known.until_ms > now_ms && known.uid == uid && known.gid == gid;
        return is_it ? &known : nullptr;
    }
    void remember(const KnownAccount &known) { places_[place_of(known.uid, known.gid)] = known; }

  private:
    static constexpr std::uint32_t size = 1 << 14;
    static constexpr std::uint32_t place_of(uid_t uid, gid_t gid) { return (uid ^ gid * 0x9e3779b1U) % size; }
    std::array<KnownAccount, size> places_{};
};

} // namespace itk2::plan
