// What it is: see identity_registry.h.
#include "plan/identity_registry.h"

#include <cstdlib>
#include <cstring>

namespace itk2::plan {

namespace {

Identity view(const StoredIdentity &stored) {
    return {stored.uid, stored.gid, {stored.groups, stored.group_count}, stored.nice, stored.name};
}

bool store_copy(const Identity &identity, StoredIdentity &stored) {
    // Never of size 0: malloc may then answer null.
    auto *groups = static_cast<gid_t *>(calloc(identity.groups.size() + 1, sizeof(gid_t)));
    char *name = strdup(identity.name);
    if (!groups || !name) {
        free(groups);
        free(name);
        return false;
    }
    for (std::size_t i = 0; i < identity.groups.size(); i++) groups[i] = identity.groups[i];
    const auto count = static_cast<std::uint32_t>(identity.groups.size());
    stored = {identity.uid, identity.gid, identity.nice, count, groups, name};
    return true;
}

bool make_room(IdentityStore &store) {
    if (store.count < store.capacity) return true;
    const std::uint32_t capacity = store.capacity == 0 ? 64 : store.capacity * 2;
    void *entries = reallocarray(store.entries, capacity, sizeof(StoredIdentity));
    if (!entries) return false;
    store.entries = static_cast<StoredIdentity *>(entries);
    store.capacity = capacity;
    return true;
}

} // namespace

IdentityRegistry::IdentityRegistry(IdentityStore &store) : store_(&store) {
    if (store.layout == 0 && !store.entries) store.layout = layout;
}

IdentityKey IdentityRegistry::key_of(const Identity &identity) {
    for (std::uint32_t i = 0; i < store_->count; i++)
        if (equal(view(store_->entries[i]), identity)) return IdentityKey{i};
    return add(identity);
}

IdentityKey IdentityRegistry::add(const Identity &identity) {
    if (!make_room(*store_) || !store_copy(identity, store_->entries[store_->count])) return no_identity;
    return IdentityKey{store_->count++};
}

Identity IdentityRegistry::identity(IdentityKey key) const { return view(store_->entries[number(key)]); }

} // namespace itk2::plan
