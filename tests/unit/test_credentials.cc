// Claims about os/credentials: what a process is after each step, that it can't go back, and that a step that fails,
// or that lies, is noticed. The kernel's own words (/proc/self/status) are the judge.
#include "failing_calls.h"
#include "in_child.h"

#include "os/credentials.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

#include <array>
#include <csignal>
#include <thread>
#include <vector>

using namespace itk2;
using namespace itk2::os;

namespace {

constexpr uid_t spare_uid = 64901;
constexpr gid_t spare_gid = 64902;
constexpr uid_t user = 64903;
constexpr gid_t group = 64904;
constexpr std::array<gid_t, 3> groups = {40, 64904, 64905};
const Ids alice{user, group, groups};
const Ids the_spare{spare_uid, spare_gid, {}};

const std::string no_capability = "0000000000000000";
const std::string id_changes = "00000000000000c0"; // CAP_SETGID 6, CAP_SETUID 7

std::string four(unsigned id) {
    const std::string text = std::to_string(id);
    return text + "\t" + text + "\t" + text + "\t" + text;
}

void become_a_spare() { claim_ok(become_spare(spare_uid, spare_gid, getppid())); }

void become_alice() {
    become_a_spare();
    claim_ok(become_identity(alice, getppid()));
}

void claim_sets(const std::string &permitted, const std::string &bounding) {
    claim(status_line("CapPrm") == permitted, "CapPrm " + status_line("CapPrm"));
    claim(status_line("CapEff") == permitted, "CapEff " + status_line("CapEff"));
    claim(status_line("CapInh") == no_capability, "CapInh");
    claim(status_line("CapAmb") == no_capability, "CapAmb");
    claim(status_line("CapBnd") == bounding, "CapBnd " + status_line("CapBnd"));
}

int set_own_capabilities(unsigned set) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    data[0].permitted = data[0].effective = set;
    return static_cast<int>(syscall(SYS_capset, &header, data));
}

// A thread that waits until its process ends; a change of ids interrupts its sleep.
void start_thread() {
    std::thread([] {
        for (;;) pause();
    }).detach();
}

void a_spare_holds_two_capabilities_and_nothing_else(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        const std::array<gid_t, 2> some = {4, 27};
        claim(setgroups(some.size(), some.data()) == 0);
        // The control: a process that did nothing would be told from a spare.
        claim(status_line("CapBnd") != no_capability && status_line("CapPrm") != id_changes);
        claim(status_line("Groups") == "4 27");
        become_a_spare();
        claim_sets(id_changes, no_capability);
        claim(status_line("Uid") == four(spare_uid), status_line("Uid"));
        claim(status_line("Gid") == four(spare_gid), status_line("Gid"));
        claim(status_line("Groups").empty(), status_line("Groups"));
        claim(prctl(PR_GET_DUMPABLE) == 0);
    });
}

void a_spare_that_takes_uid_0_gains_nothing_by_it_or_by_exec(void **) {
    NEEDS_ROOT();
    static constexpr char look[] = "grep -q '^CapEff:.*0000000000000000$' /proc/self/status";
    holds_in_child([] {
        become_a_spare();
        claim(setresuid(0, 0, 0) == 0);
        claim(status_line("CapEff") == id_changes);
        execl("/bin/sh", "sh", "-c", look, nullptr);
        _exit(2);
    });
    // The control: without the lock, exec gives uid 0 its capabilities.
    const int without = status_of_child([] {
        execl("/bin/sh", "sh", "-c", look, nullptr);
        _exit(2);
    });
    assert_int_equal(without, 1);
}

void the_locks_of_a_spare_cannot_be_opened(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        become_a_spare();
        claim((prctl(PR_GET_SECUREBITS) & SECBIT_NOROOT) != 0);
        claim((prctl(PR_GET_SECUREBITS) & SECBIT_KEEP_CAPS) == 0);
        claim(prctl(PR_SET_SECUREBITS, 0) < 0 && errno == EPERM);
        claim(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0) < 0);
        claim(set_own_capabilities(1U << CAP_SETUID | 1U << CAP_SYS_CHROOT) < 0 && errno == EPERM);
    });
}

void a_worker_is_its_identity_and_holds_no_capability(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        become_alice();
        claim_sets(no_capability, no_capability);
        claim(status_line("Uid") == four(user), status_line("Uid"));
        claim(status_line("Gid") == four(group), status_line("Gid"));
        claim(status_line("Groups") == "40 64904 64905", status_line("Groups"));
    });
}

void become_identity_cannot_be_undone(void **) {
    NEEDS_ROOT();
    const auto no_way = [](long answer) {
        claim(answer == -1 && errno == EPERM);
    };
    holds_in_child([&] {
        become_alice();
        for (const uid_t uid : {uid_t{0}, spare_uid, user + 1}) {
            no_way(setresuid(uid, uid, uid));
            no_way(setreuid(uid, uid));
            no_way(setuid(uid));
            no_way(seteuid(uid));
        }
        for (const gid_t gid : {gid_t{0}, spare_gid, groups[0]}) {
            no_way(setresgid(gid, gid, gid));
            no_way(setgid(gid));
        }
        no_way(setgroups(0, nullptr));
        no_way(set_own_capabilities(1U << CAP_SETUID));
        no_way(prctl(PR_CAPBSET_DROP, CAP_SETUID));
    });
    // The control: the same calls bring a spare wherever it wants.
    holds_in_child([] {
        become_a_spare();
        claim(setgroups(0, nullptr) == 0);
        claim(setresgid(group, group, spare_gid) == 0 && setresgid(spare_gid, spare_gid, spare_gid) == 0);
        claim(setresuid(user, user, spare_uid) == 0 && setresuid(0, 0, 0) == 0);
    });
}

void become_identity_renews_what_a_change_of_ids_undoes(void **) {
    NEEDS_ROOT();
    const auto death_signal = [] {
        int number = -1;
        claim(prctl(PR_GET_PDEATHSIG, &number) == 0);
        return number;
    };
    holds_in_child([&] {
        become_a_spare();
        claim(death_signal() == SIGKILL);
        // The control: the change alone undoes it.
        claim(setresuid(user, user, user) == 0 && death_signal() == 0);
    });
    holds_in_child([&] {
        become_alice();
        claim(death_signal() == SIGKILL);
        claim(prctl(PR_GET_DUMPABLE) == 0);
    });
}

void become_fails_where_the_parent_is_another(void **) {
    NEEDS_ROOT();
    holds_in_child([] { claim_step(become_spare(spare_uid, spare_gid, getppid() + 1), Step::parent_gone); });
    holds_in_child([] {
        become_a_spare();
        claim_step(become_identity(alice, 1'000'000'000), Step::parent_gone);
    });
}

void a_second_thread_stops_become(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        start_thread();
        claim_step(become_spare(spare_uid, spare_gid, getppid()), Step::one_thread);
        claim_step(become_listener(spare_uid, spare_gid), Step::one_thread);
        claim_step(become_unprivileged(getppid()), Step::one_thread);
        claim(status_line("Uid") == four(0));
    });
    holds_in_child([] {
        become_a_spare();
        start_thread();
        claim_step(become_identity(alice, getppid()), Step::one_thread);
        claim(status_line("Uid") == four(spare_uid));
    });
}

void verify_identity_looks_at_every_thread(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        become_a_spare();
        start_thread();
        // glibc changes the ids of every thread, the kernel the capabilities of this one only.
        claim(setgroups(groups.size(), groups.data()) == 0);
        claim(setresgid(group, group, group) == 0 && setresuid(user, user, user) == 0);
        claim(set_own_capabilities(0) == 0 && prctl(PR_SET_DUMPABLE, 0) == 0);
        claim(status_line("CapPrm", "/proc/thread-self/status") == no_capability);
        claim_step(verify_identity(alice, the_spare), Step::verify_capabilities);
    });
}

void verify_identity_notices_ids_that_differ(void **) {
    NEEDS_ROOT();
    const auto after = [](auto change) {
        holds_in_child([&] {
            become_a_spare();
            claim(setgroups(groups.size(), groups.data()) == 0);
            change();
            claim(set_own_capabilities(0) == 0);
            claim_step(verify_identity(alice, the_spare), Step::verify_ids);
        });
    };
    after([] {});
    after([] { claim(setresgid(group, group, group) == 0 && setresuid(user, user, spare_uid) == 0); });
    after([] { claim(setresgid(group, group, group) == 0 && setresuid(spare_uid, user, user) == 0); });
    after([] { claim(setresgid(group, group, spare_gid) == 0 && setresuid(user, user, user) == 0); });
    after([] {
        claim(setresgid(group, group, group) == 0 && setresuid(user, user, user) == 0);
        setfsuid(spare_uid);
    });
}

void verify_identity_notices_groups_that_differ(void **) {
    NEEDS_ROOT();
    const auto with = [](std::vector<gid_t> list) {
        holds_in_child([&] {
            become_a_spare();
            claim(setgroups(list.size(), list.data()) == 0);
            claim(setresgid(group, group, group) == 0 && setresuid(user, user, user) == 0);
            claim(set_own_capabilities(0) == 0);
            claim_step(verify_identity(alice, the_spare), Step::verify_groups);
        });
    };
    with({});
    with({40, 64904});
    with({40, 64904, 64905, 64906});
    with({0, 64904, 64905});
}

void verify_identity_notices_capabilities_and_what_may_bring_them_back(void **) {
    NEEDS_ROOT();
    const auto ids = [] {
        claim(setgroups(groups.size(), groups.data()) == 0);
        claim(setresgid(group, group, group) == 0 && setresuid(user, user, user) == 0);
    };
    holds_in_child([&] {
        become_a_spare();
        ids();
        claim_step(verify_identity(alice, the_spare), Step::verify_capabilities);
    });
    // Straight from root: permitted is empty, the bounding set is not.
    holds_in_child([&] {
        ids();
        claim(status_line("CapPrm") == no_capability && status_line("CapBnd") != no_capability);
        claim_step(verify_identity(alice, {}), Step::verify_capabilities);
    });
    holds_in_child([&] {
        for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
            claim(prctl(PR_CAPBSET_DROP, capability) == 0);
        ids();
        claim_sets(no_capability, no_capability);
        claim_step(verify_identity(alice, {}), Step::set_securebits);
    });
}

void an_identity_may_have_thousands_of_groups(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        std::vector<gid_t> many;
        for (gid_t gid = 100'000; gid < 110'000; gid++) many.push_back(gid);
        become_a_spare();
        claim_ok(become_identity({user, group, many}, getppid()));
        claim(getgroups(0, nullptr) == 10'000);
    });
}

void a_listener_holds_nothing_and_cannot_go_back(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        const std::array<gid_t, 1> some = {4};
        claim(setgroups(some.size(), some.data()) == 0);
        claim_ok(become_listener(spare_uid, spare_gid));
        claim_sets(no_capability, no_capability);
        claim(status_line("Uid") == four(spare_uid) && status_line("Gid") == four(spare_gid));
        claim(status_line("Groups").empty());
        claim(setresuid(0, 0, 0) < 0 && setgroups(0, nullptr) < 0);
    });
}

void an_unprivileged_child_drops_what_it_was_given(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        claim(prctl(PR_SET_KEEPCAPS, 1) == 0);
        claim(setgroups(0, nullptr) == 0 && setresgid(group, group, group) == 0 && setresuid(user, user, user) == 0);
        claim(set_own_capabilities(1U << CAP_NET_BIND_SERVICE) == 0);
        claim_step(verify_unprivileged(), Step::verify_capabilities); // the control
        claim_ok(become_unprivileged(getppid()));
        claim(status_line("CapPrm") == no_capability && status_line("CapEff") == no_capability);
        claim(status_line("Uid") == four(user));
    });
}

void uid_0_is_never_unprivileged(void **) {
    NEEDS_ROOT();
    holds_in_child([] { claim_step(become_unprivileged(getppid()), Step::verify_ids); });
}

struct Fault {
    FailingCall call;
    Step spare;    // of become_spare
    Step identity; // of become_identity
};

constexpr Step untouched = Step::none;

void each_failing_call_stops_become_at_its_step(void **) {
    NEEDS_ROOT();
    const Fault faults[] = {
        {{SYS_prctl, PR_CAPBSET_DROP, EPERM}, Step::drop_bounding, untouched},
        {{SYS_prctl, PR_SET_SECUREBITS, EPERM}, Step::set_securebits, untouched},
        {{SYS_prctl, PR_GET_SECUREBITS, EINVAL}, Step::set_securebits, Step::set_securebits},
        {{SYS_setgroups, any_argument, EPERM}, Step::set_groups, Step::set_groups},
        {{SYS_setresgid, any_argument, EINVAL}, Step::set_gid, Step::set_gid},
        {{SYS_setresuid, any_argument, EAGAIN}, Step::set_uid, Step::set_uid},
        {{SYS_capset, any_argument, ENOSYS}, Step::set_capabilities, Step::set_capabilities},
        {{SYS_prctl, PR_SET_KEEPCAPS, EPERM}, Step::set_securebits, untouched},
        {{SYS_prctl, PR_SET_DUMPABLE, EINVAL}, Step::set_dumpable, Step::set_dumpable},
        {{SYS_prctl, PR_GET_DUMPABLE, ENOSYS}, Step::set_dumpable, Step::set_dumpable},
        {{SYS_prctl, PR_SET_PDEATHSIG, EINVAL}, Step::parent_death_signal, Step::parent_death_signal},
        {{SYS_prctl, PR_GET_PDEATHSIG, EINVAL}, Step::parent_death_signal, Step::parent_death_signal},
        {{SYS_openat, any_argument, EACCES}, Step::verify_proc, Step::verify_proc},
    };
    for (const Fault &fault : faults) {
        holds_in_child([&] {
            claim(make_fail(fault.call));
            claim_step(become_spare(spare_uid, spare_gid, getppid()), fault.spare);
        });
        if (fault.identity == untouched) continue;
        holds_in_child([&] {
            become_a_spare();
            claim(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
            claim(make_fail(fault.call));
            claim_step(become_identity(alice, getppid()), fault.identity);
        });
    }
}

void a_call_that_lies_is_noticed(void **) {
    NEEDS_ROOT();
    // Each says that it worked and does nothing.
    const Fault faults[] = {
        {{SYS_prctl, PR_CAPBSET_DROP, 0}, Step::verify_capabilities, untouched},
        {{SYS_setgroups, any_argument, 0}, Step::verify_groups, Step::verify_groups},
        {{SYS_setresgid, any_argument, 0}, Step::verify_ids, Step::verify_ids},
        {{SYS_setresuid, any_argument, 0}, Step::verify_ids, Step::verify_ids},
        {{SYS_capset, any_argument, 0}, Step::verify_capabilities, Step::verify_capabilities},
        {{SYS_prctl, PR_SET_PDEATHSIG, 0}, Step::parent_death_signal, Step::parent_death_signal},
    };
    const std::array<gid_t, 1> some = {4};
    for (const Fault &fault : faults) {
        holds_in_child([&] {
            claim(setgroups(some.size(), some.data()) == 0);
            claim(make_fail(fault.call));
            claim_step(become_spare(spare_uid, spare_gid, getppid()), fault.spare);
        });
        if (fault.identity == untouched) continue;
        holds_in_child([&] {
            become_a_spare();
            claim(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
            claim(make_fail(fault.call));
            claim_step(become_identity(alice, getppid()), fault.identity);
        });
    }
}

void a_way_back_that_opens_late_is_noticed(void **) {
    NEEDS_ROOT();
    // Everything looks right, but one of the attempts to go back is not refused as it should be.
    const long calls[] = {SYS_setgroups, SYS_setresgid, SYS_setresuid, SYS_capset};
    for (const long call : calls) {
        for (const int error : {0, EAGAIN, ENOSYS}) {
            holds_in_child([&] {
                become_alice();
                claim_ok(verify_identity(alice, the_spare)); // the control
                claim(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
                claim(make_fail({call, any_argument, error}));
                claim_step(verify_identity(alice, the_spare), Step::verify_no_way_back);
            });
        }
    }
}

void effective_capabilities_are_read(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        std::uint64_t set = 0;
        claim_ok(read_effective_capabilities(set));
        claim((set >> CAP_SETPCAP & 1) != 0);
        become_a_spare();
        claim_ok(read_effective_capabilities(set));
        claim(set == (1U << CAP_SETUID | 1U << CAP_SETGID));
    });
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_spare_holds_two_capabilities_and_nothing_else),
        cmocka_unit_test(a_spare_that_takes_uid_0_gains_nothing_by_it_or_by_exec),
        cmocka_unit_test(the_locks_of_a_spare_cannot_be_opened),
        cmocka_unit_test(a_worker_is_its_identity_and_holds_no_capability),
        cmocka_unit_test(become_identity_cannot_be_undone),
        cmocka_unit_test(become_identity_renews_what_a_change_of_ids_undoes),
        cmocka_unit_test(become_fails_where_the_parent_is_another),
        cmocka_unit_test(a_second_thread_stops_become),
        cmocka_unit_test(verify_identity_looks_at_every_thread),
        cmocka_unit_test(verify_identity_notices_ids_that_differ),
        cmocka_unit_test(verify_identity_notices_groups_that_differ),
        cmocka_unit_test(verify_identity_notices_capabilities_and_what_may_bring_them_back),
        cmocka_unit_test(an_identity_may_have_thousands_of_groups),
        cmocka_unit_test(a_listener_holds_nothing_and_cannot_go_back),
        cmocka_unit_test(an_unprivileged_child_drops_what_it_was_given),
        cmocka_unit_test(uid_0_is_never_unprivileged),
        cmocka_unit_test(each_failing_call_stops_become_at_its_step),
        cmocka_unit_test(a_call_that_lies_is_noticed),
        cmocka_unit_test(a_way_back_that_opens_late_is_noticed),
        cmocka_unit_test(effective_capabilities_are_read),
    };
    return cmocka_run_group_tests_name("credentials", tests, nullptr, nullptr);
}
