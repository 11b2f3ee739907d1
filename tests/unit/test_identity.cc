// Claims about plan/identity: which identities a site may have.
#include "cmocka_for_cxx.h"

#include "plan/identity.h"

#include <array>

using namespace itk2::plan;

namespace {

constexpr std::array<gid_t, 2> groups = {1001, 1002};
constexpr std::array<gid_t, 2> other_groups = {1001, 1003};
constexpr Identity alice{1000, 1001, groups, 0, "alice"};
constexpr Reserved reserved{900, 901, 910, 911, 920, 921};
constexpr IdRange usual;

Identity with_uid(uid_t uid) {
    Identity identity = alice;
    identity.uid = uid;
    return identity;
}

Identity with_gid(gid_t gid) {
    Identity identity = alice;
    identity.gid = gid;
    return identity;
}

Identity with_groups(std::span<const gid_t> list) {
    Identity identity = alice;
    identity.groups = list;
    return identity;
}

void says(Refusal wanted, const Identity &identity, IdRange uids = usual, IdRange gids = usual) {
    assert_int_equal(static_cast<int>(check(identity, uids, gids, reserved)), static_cast<int>(wanted));
}

void equal_means_ids_groups_and_nice_but_not_the_name(void **) {
    Identity same = alice;
    same.name = "#1000";
    assert_true(equal(alice, same));
    Identity nicer = alice;
    nicer.nice = 1;
    assert_false(equal(alice, nicer));
    assert_false(equal(alice, with_uid(1001)));
    assert_false(equal(alice, with_gid(1002)));
    assert_false(equal(alice, with_groups(other_groups)));
    assert_false(equal(alice, with_groups(std::span(groups).first(1))));
    assert_false(equal(alice, with_groups({})));
    assert_true(equal(with_groups({}), with_groups({})));
}

void an_ordinary_user_is_allowed(void **) { says(Refusal::none, alice); }

void root_is_refused_unless_the_range_has_0(void **) {
    constexpr IdRange from_0{0, UINT32_MAX};
    constexpr std::array<gid_t, 2> with_root = {0, 1001};
    says(Refusal::uid_out_of_range, with_uid(0));
    says(Refusal::none, with_uid(0), from_0);
    says(Refusal::gid_out_of_range, with_gid(0));
    says(Refusal::none, with_gid(0), usual, from_0);
    says(Refusal::group_out_of_range, with_groups(with_root));
    says(Refusal::none, with_groups(with_root), usual, from_0);
    // A range of uids says nothing about gids.
    says(Refusal::gid_out_of_range, with_gid(0), from_0);
}

void both_ends_of_a_range_belong_to_it(void **) {
    constexpr IdRange thousand{1000, 1999};
    says(Refusal::none, with_uid(1000), thousand);
    says(Refusal::none, with_uid(1999), thousand);
    says(Refusal::uid_out_of_range, with_uid(999), thousand);
    says(Refusal::uid_out_of_range, with_uid(2000), thousand);
    says(Refusal::gid_out_of_range, with_gid(2000), usual, thousand);
    constexpr std::array<gid_t, 2> beyond = {1001, 2000};
    says(Refusal::group_out_of_range, with_groups(beyond), usual, thousand);
}

void nobody_has_an_account_of_the_servers_own(void **) {
    says(Refusal::listener_account, with_uid(900));
    says(Refusal::listener_account, with_gid(901));
    says(Refusal::spare_account, with_uid(910));
    says(Refusal::spare_account, with_gid(911));
    says(Refusal::parser_account, with_uid(920));
    says(Refusal::parser_account, with_gid(921));
    constexpr std::array<gid_t, 2> in_listeners = {901, 1001};
    constexpr std::array<gid_t, 2> in_spares = {911, 1001};
    constexpr std::array<gid_t, 2> in_parsers = {921, 1001};
    says(Refusal::parser_account, with_groups(in_parsers));
    says(Refusal::listener_account, with_groups(in_listeners));
    says(Refusal::spare_account, with_groups(in_spares));
    // Not even where a range would let it.
    says(Refusal::listener_account, with_uid(900), {0, UINT32_MAX}, {0, UINT32_MAX});
    // A uid and a gid of the same number are different things.
    says(Refusal::none, with_uid(901));
    says(Refusal::none, with_gid(900));
}

void the_number_that_means_no_id_is_refused(void **) {
    constexpr IdRange all{0, UINT32_MAX};
    says(Refusal::no_id, with_uid(UINT32_MAX), all, all);
    says(Refusal::no_id, with_gid(UINT32_MAX), all, all);
    constexpr std::array<gid_t, 2> with_none = {1001, UINT32_MAX};
    says(Refusal::no_id, with_groups(with_none), all, all);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(equal_means_ids_groups_and_nice_but_not_the_name),
        cmocka_unit_test(an_ordinary_user_is_allowed),
        cmocka_unit_test(root_is_refused_unless_the_range_has_0),
        cmocka_unit_test(both_ends_of_a_range_belong_to_it),
        cmocka_unit_test(nobody_has_an_account_of_the_servers_own),
        cmocka_unit_test(the_number_that_means_no_id_is_refused),
    };
    return cmocka_run_group_tests_name("identity", tests, nullptr, nullptr);
}
