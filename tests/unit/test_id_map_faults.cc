// Claims about os/id_map: whichever system call fails, or lies, a process is in the end what it should be, or its
// Result says that it is not.
#include "every_call.h"
#include "living_parser.h"

#include <sys/stat.h>

using namespace itk2;
using namespace itk2::os;

namespace {

constexpr char no_capability[] = "0000000000000000";
constexpr char id_changes[] = "00000000000000c0";
// Of a whole become; a fifth of what it takes, so that a test that watches nothing is noticed.
constexpr int fewest_calls = 60;
constexpr int most_calls = 5000;

void claim_is(pid_t pid, const Ids &ids, const std::string &group_list, const std::string &permitted) {
    const std::string path = "/proc/" + std::to_string(pid) + "/status";
    claim(status_line("Uid", path) == four(ids.uid), "Uid " + status_line("Uid", path));
    claim(status_line("Gid", path) == four(ids.gid), "Gid " + status_line("Gid", path));
    claim(status_line("Groups", path) == group_list, "Groups " + status_line("Groups", path));
    for (const char *set : {"CapPrm", "CapEff"}) claim(status_line(set, path) == permitted, set);
    for (const char *set : {"CapInh", "CapBnd", "CapAmb"}) claim(status_line(set, path) == no_capability, set);
    // Files about a process that is dumpable are its own.
    struct stat about {};
    claim(stat(("/proc/" + std::to_string(pid) + "/environ").c_str(), &about) == 0 && about.st_uid == 0, "dumpable");
}

void claim_parser(pid_t pid) {
    claim_is(pid, {parser_uid, parser_gid, {}}, "", id_changes);
    const std::string proc = "/proc/" + std::to_string(pid);
    claim(words_of(proc + "/uid_map").empty() && words_of(proc + "/gid_map").empty());
}

void claim_alice(pid_t pid) { claim_is(pid, alice, "40 41 64804 64805", no_capability); }

// Each call of `body` in turn, up to its last one.
template <typename Body, typename Judge> void holds_whatever_call_fails(int error, Body body, Judge judge) {
    int failed = 0;
    for (int nth = 1; nth < most_calls; nth++) {
        const auto grant = [](pid_t pid) {
            claim_ok(write_grant(pid, alice));
        };
        switch (EveryCall::run(nth, error, body, judge, grant)) {
        case EveryCall::Ended::never_reached:
            print_message("# of %d calls %d stopped it\n", nth - 1, failed);
            assert_true(nth > fewest_calls && failed > fewest_calls / 2);
            return;
        case EveryCall::Ended::failed:
        case EveryCall::Ended::died: failed++; break;
        case EveryCall::Ended::succeeded: break;
        }
    }
    assert_true(false); // no end
}

Result become_a_parser() { return become_parser(parser_uid, parser_gid, getppid()); }

// As the parser before is made the same way each time, its own calls are made to fail too.
Result become_alice() {
    if (const Result result = become_a_parser(); !result.ok()) return result;
    pause(); // for the grant
    return become_granted(alice, getppid());
}

void a_parser_is_whole_or_fails_whichever_call_fails(void **) {
    NEEDS_ROOT();
    for (const int error : {EPERM, EINTR}) holds_whatever_call_fails(error, become_a_parser, claim_parser);
}

void a_parser_is_whole_or_fails_whichever_call_lies(void **) {
    NEEDS_ROOT();
    holds_whatever_call_fails(0, become_a_parser, claim_parser);
}

void a_worker_is_whole_or_fails_whichever_call_fails(void **) {
    NEEDS_ROOT();
    for (const int error : {EINVAL, ENOSYS}) holds_whatever_call_fails(error, become_alice, claim_alice);
}

void a_worker_is_whole_or_fails_whichever_call_lies(void **) {
    NEEDS_ROOT();
    holds_whatever_call_fails(0, become_alice, claim_alice);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_parser_is_whole_or_fails_whichever_call_fails),
        cmocka_unit_test(a_parser_is_whole_or_fails_whichever_call_lies),
        cmocka_unit_test(a_worker_is_whole_or_fails_whichever_call_fails),
        cmocka_unit_test(a_worker_is_whole_or_fails_whichever_call_lies),
    };
    return cmocka_run_group_tests_name("id map, every call", tests, nullptr, nullptr);
}
