// What it is: every identity that a configuration has named since the master started, numbered for good.
// Its memory outlives the module's code, which a restart unloads and loads again: malloc'ed bytes and numbers only,
// no pointer into the module. A child holds a copy as it was at its fork.
#pragma once

#include "base/ids.h"
#include "plan/identity.h"

#include <sys/types.h>

#include <cstdint>

namespace itk2::plan {

struct StoredIdentity {
    uid_t uid;
    gid_t gid;
    std::int32_t nice;
    std::uint32_t group_count;
    gid_t *groups;
    char *name;
};

// Kept by the caller for the master's whole life, zeros at first; only a registry reads or changes it.
struct IdentityStore {
    std::uint32_t layout;
    std::uint32_t count;
    std::uint32_t capacity;
    std::uint32_t padding;
    StoredIdentity *entries;
};

class IdentityRegistry {
  public:
    static constexpr std::uint32_t layout = 1;

    // `store` outlives this; is_usable() is false where other code, of another layout, has filled it.
    explicit IdentityRegistry(IdentityStore &store);
    [[nodiscard]] bool is_usable() const { return store_->layout == layout; }

    // The key of this identity; a new one where it was never named. The first name given stays.
    // no_identity where memory is short.
    IdentityKey key_of(const Identity &identity);
    // The new key of an identity that its caller knows to be none of those held.
    IdentityKey add(const Identity &identity);

    [[nodiscard]] std::uint32_t count() const { return store_->count; }
    [[nodiscard]] bool holds(IdentityKey key) const { return number(key) < store_->count; }
    // Only for a key it holds. Its groups and name live as long as the store.
    [[nodiscard]] Identity identity(IdentityKey key) const;

  private:
    IdentityStore *store_;
};

} // namespace itk2::plan
