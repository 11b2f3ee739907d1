// What it is: the registry's identities by their content, so that ten thousand of them are not compared with each
// other. Runs as: the master, while the configuration is read.
#pragma once

#include "httpd/apache.h"
#include "plan/identity_registry.h"

#include <apr_hash.h>

#include <cstring>

namespace itk2::httpd {

class IdentityIndex {
  public:
    IdentityIndex(apr_pool_t *pool, plan::IdentityStore &store)
        : pool_(pool), registry_(store), keys_(apr_hash_make(pool)) {
        if (!registry_.is_usable()) return;
        for (std::uint32_t i = 0; i < registry_.count(); i++) enter(registry_.identity(IdentityKey{i}), IdentityKey{i});
    }
    [[nodiscard]] bool is_usable() const { return registry_.is_usable(); }

    // no_identity where memory is short.
    IdentityKey key_of(const plan::Identity &identity) {
        const Content content = content_of(identity);
        if (const auto *known = static_cast<IdentityKey *>(apr_hash_get(keys_, content.bytes, content.size)))
            return *known;
        const IdentityKey added = registry_.add(identity);
        if (added != no_identity) enter(identity, added);
        return added;
    }

  private:
    struct Content {
        std::uint32_t *bytes;
        apr_ssize_t size;
    };
    Content content_of(const plan::Identity &identity) {
        const std::size_t size = (3 + identity.groups.size()) * sizeof(std::uint32_t);
        auto *numbers = static_cast<std::uint32_t *>(apr_palloc(pool_, size));
        numbers[0] = identity.uid;
        numbers[1] = identity.gid;
        numbers[2] = static_cast<std::uint32_t>(identity.nice);
        if (!identity.groups.empty()) memcpy(numbers + 3, identity.groups.data(), identity.groups.size_bytes());
        return {numbers, static_cast<apr_ssize_t>(size)};
    }
    void enter(const plan::Identity &identity, IdentityKey key) {
        const Content content = content_of(identity);
        auto *value = static_cast<IdentityKey *>(apr_palloc(pool_, sizeof key));
        *value = key;
        apr_hash_set(keys_, content.bytes, content.size, value);
    }

    apr_pool_t *pool_;
    plan::IdentityRegistry registry_;
    apr_hash_t *keys_; // what an identity is made of -> IdentityKey
};

} // namespace itk2::httpd
