// Claims about os/memory_need: a child is ended before its parent, and can't undo it.
#include "failing_calls.h"
#include "in_child.h"

#include "os/memory_need.h"

#include <fcntl.h>

#include <algorithm>
#include <fstream>

using namespace itk2;
using namespace itk2::os;

namespace {

int score() {
    int value = 0;
    std::ifstream("/proc/self/oom_score_adj") >> value;
    return value;
}

bool set_score(int value) {
    std::ofstream file("/proc/self/oom_score_adj");
    file << value;
    file.close();
    return file.good();
}

void the_score_is_raised_and_inherited(void **) {
    const int before = score();
    holds_in_child([&] {
        claim_step(verify_offered(before + 1), Step::offer_memory); // the control
        claim_ok(be_ended_before_parent());
        claim(score() == std::min(before + 100, 1000));
        holds_in_child([] { claim(score() > 0 && verify_offered(score()).ok()); });
    });
    assert_int_equal(score(), before);
}

void beyond_the_greatest_it_stays(void **) {
    holds_in_child([] {
        claim(set_score(950));
        claim_ok(be_ended_before_parent());
        claim(score() == 1000);
        claim_ok(be_ended_before_parent());
    });
}

void what_fails_is_told(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        claim(make_fail({SYS_openat, any_argument, EACCES}));
        claim(be_ended_before_parent().error == EACCES);
    });
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(the_score_is_raised_and_inherited),
        cmocka_unit_test(beyond_the_greatest_it_stays),
        cmocka_unit_test(what_fails_is_told),
    };
    return cmocka_run_group_tests_name("memory need", tests, nullptr, nullptr);
}
