// Claims about os/credentials: what stays for set-uid programs where they are to work, and what no program is to gain.
#include "failing_calls.h"
#include "in_child.h"

#include "os/credentials.h"

#include <grp.h>
#include <sys/prctl.h>

#include <array>

using namespace itk2;
using namespace itk2::os;

namespace {

constexpr uid_t spare_uid = 64901;
constexpr gid_t spare_gid = 64901;
constexpr std::array<gid_t, 1> groups = {64902};
const Ids alice{64902, 64902, groups};
const Ids the_spare{spare_uid, spare_gid, {}};

const std::string no_capability = "0000000000000000";
const std::string id_changes = "00000000000000c0"; // CAP_SETGID 6, CAP_SETUID 7

void claim_sets(const std::string &permitted, const std::string &bounding) {
    for (const char *name : {"CapPrm", "CapEff"}) claim(status_line(name) == permitted, name);
    for (const char *name : {"CapInh", "CapAmb"}) claim(status_line(name) == no_capability, name);
    claim(status_line("CapBnd") == bounding, "CapBnd " + status_line("CapBnd"));
}

void a_bounding_set_that_is_to_stay_stays_and_gives_the_process_nothing(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        std::uint64_t bounding = 0;
        claim_ok(read_bounding_set(bounding));
        const std::string before = status_line("CapBnd");
        claim(before != no_capability); // the control
        claim_ok(become_spare(spare_uid, spare_gid, getppid(), bounding));
        claim_sets(id_changes, before);
        claim_step(verify_spare(spare_uid, spare_gid), Step::verify_capabilities);
        claim_ok(become_identity(alice, getppid(), bounding));
        claim_sets(no_capability, before);
        claim_step(verify_identity(alice, the_spare), Step::verify_capabilities);
        claim(setuid(0) != 0 && setgroups(0, nullptr) != 0);
    });
}

void a_bounding_set_that_is_another_is_noticed(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        std::uint64_t bounding = 0;
        claim_ok(read_bounding_set(bounding));
        claim_step(become_spare(spare_uid, spare_gid, getppid(), bounding & ~std::uint64_t{1}),
                   Step::verify_capabilities);
    });
}

void new_privileges_are_forbidden_for_good(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        claim_step(verify_no_new_privileges(), Step::forbid_new_privileges); // the control
        claim_ok(forbid_new_privileges());
        claim(status_line("NoNewPrivs") == "1");
    });
    holds_in_child([] {
        claim(make_fail({SYS_prctl, PR_SET_NO_NEW_PRIVS, EINVAL}));
        claim_step(forbid_new_privileges(), Step::forbid_new_privileges);
    });
    holds_in_child([] {
        claim(make_fail({SYS_prctl, PR_SET_NO_NEW_PRIVS, 0}));
        claim_step(forbid_new_privileges(), Step::forbid_new_privileges);
    });
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_bounding_set_that_is_to_stay_stays_and_gives_the_process_nothing),
        cmocka_unit_test(a_bounding_set_that_is_another_is_noticed),
        cmocka_unit_test(new_privileges_are_forbidden_for_good),
    };
    return cmocka_run_group_tests_name("set-uid programs", tests, nullptr, nullptr);
}
