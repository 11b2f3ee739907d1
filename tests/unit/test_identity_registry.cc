// Claims about plan/identity_registry: a key means one identity for ever, and the store needs nothing of the code.
#include "cmocka_for_cxx.h"

#include "plan/identity_registry.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <type_traits>

using namespace itk2;
using namespace itk2::plan;

namespace {

constexpr std::array<gid_t, 2> groups = {1001, 1002};
constexpr Identity alice{1000, 1001, groups, 0, "alice"};
constexpr Identity bob{2000, 2001, {}, 5, "bob"};

// Zeros at first, freed at the end.
struct Store {
    IdentityStore bytes{};
    Store() = default;
    ~Store() {
        for (std::uint32_t i = 0; i < bytes.count; i++) {
            free(bytes.entries[i].groups);
            free(bytes.entries[i].name);
        }
        free(bytes.entries);
    }
    Store(const Store &) = delete;
    Store &operator=(const Store &) = delete;
};

void the_same_identity_has_the_same_key(void **) {
    Store store;
    IdentityRegistry registry{store.bytes};
    const IdentityKey key = registry.key_of(alice);
    assert_int_equal(number(key), 0);
    assert_int_equal(number(registry.key_of(bob)), 1);
    assert_int_equal(number(registry.key_of(alice)), 0);
    Identity called_otherwise = alice;
    called_otherwise.name = "#1000";
    assert_int_equal(number(registry.key_of(called_otherwise)), 0);
    assert_string_equal(registry.identity(key).name, "alice");
    assert_int_equal(registry.count(), 2);
}

void whoever_differs_in_anything_has_another_key(void **) {
    Store store;
    IdentityRegistry registry{store.bytes};
    registry.key_of(alice);
    Identity nicer = alice;
    nicer.nice = 1;
    Identity without_groups = alice;
    without_groups.groups = {};
    Identity other_gid = alice;
    other_gid.gid = 1002;
    assert_int_equal(number(registry.key_of(nicer)), 1);
    assert_int_equal(number(registry.key_of(without_groups)), 2);
    assert_int_equal(number(registry.key_of(other_gid)), 3);
}

void what_is_added_is_found_afterwards(void **) {
    Store store;
    IdentityRegistry registry{store.bytes};
    assert_int_equal(number(registry.add(alice)), 0);
    assert_int_equal(number(registry.add(bob)), 1);
    assert_int_equal(number(registry.key_of(bob)), 1);
    assert_int_equal(number(registry.key_of(alice)), 0);
}

void a_new_registry_on_the_old_store_finds_everything(void **) {
    Store store;
    {
        IdentityRegistry before{store.bytes};
        // What was passed in is gone afterwards, as a configuration's pool is.
        char *name = strdup("carol");
        std::array<gid_t, 2> list = {7, 9};
        before.key_of(alice);
        before.key_of({3000, 3001, list, -5, name});
        list = {0, 0};
        memset(name, 'x', strlen(name));
        free(name);
    }
    IdentityRegistry after{store.bytes};
    assert_true(after.is_usable());
    const Identity carol = after.identity(IdentityKey{1});
    assert_string_equal(carol.name, "carol");
    assert_true(carol.uid == 3000 && carol.gid == 3001 && carol.nice == -5);
    assert_true(carol.groups.size() == 2 && carol.groups[0] == 7 && carol.groups[1] == 9);
    constexpr std::array<gid_t, 2> list = {7, 9};
    assert_int_equal(number(after.key_of({3000, 3001, list, -5, "carol"})), 1);
}

void keys_stay_while_the_store_grows(void **) {
    Store store;
    IdentityRegistry registry{store.bytes};
    for (std::uint32_t i = 0; i < 1000; i++) assert_int_equal(number(registry.key_of({i, i, groups, 0, "many"})), i);
    for (std::uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(registry.identity(IdentityKey{i}).uid, i);
        assert_int_equal(number(registry.key_of({i, i, groups, 0, "many"})), i);
    }
}

void only_keys_given_are_held(void **) {
    Store store;
    IdentityRegistry registry{store.bytes};
    assert_false(registry.holds(IdentityKey{0}));
    registry.key_of(alice);
    assert_true(registry.holds(IdentityKey{0}));
    assert_false(registry.holds(IdentityKey{1}));
    assert_false(registry.holds(no_identity));
}

void a_store_of_another_layout_is_not_used(void **) {
    Store store;
    store.bytes.layout = IdentityRegistry::layout + 1;
    assert_false(IdentityRegistry{store.bytes}.is_usable());
    store.bytes.layout = 0;
    assert_true(IdentityRegistry{store.bytes}.is_usable());
}

// What outlives the module's code must hold nothing of it.
static_assert(std::is_trivially_copyable_v<IdentityStore> && std::is_standard_layout_v<IdentityStore>);
static_assert(std::is_trivially_copyable_v<StoredIdentity> && std::is_standard_layout_v<StoredIdentity>);

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(the_same_identity_has_the_same_key),
        cmocka_unit_test(whoever_differs_in_anything_has_another_key),
        cmocka_unit_test(what_is_added_is_found_afterwards),
        cmocka_unit_test(a_new_registry_on_the_old_store_finds_everything),
        cmocka_unit_test(keys_stay_while_the_store_grows),
        cmocka_unit_test(only_keys_given_are_held),
        cmocka_unit_test(a_store_of_another_layout_is_not_used),
    };
    return cmocka_run_group_tests_name("identity registry", tests, nullptr, nullptr);
}
