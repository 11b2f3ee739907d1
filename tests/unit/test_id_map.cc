// Claims about os/id_map: what a parser is before and after its grant, what a grant holds, and that what is wrong is
// noticed. The judge is /proc, read from outside the parser's namespace.
#include "failing_calls.h"
#include "living_parser.h"

#include <linux/capability.h>
#include <linux/nsfs.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include <algorithm>
#include <filesystem>
#include <thread>
#include <vector>

using namespace itk2;
using namespace itk2::os;

namespace {

constexpr char no_capability[] = "0000000000000000";
constexpr char id_changes[] = "00000000000000c0"; // CAP_SETGID 6, CAP_SETUID 7

void claim_line(const LivingParser &parser, const char *name, const std::string &wanted, Place where = Place::here()) {
    const std::string line = status_line(name, parser.proc("status"));
    claim(line == wanted, std::string(name) + " " + line, where);
}

void claim_failure(Result result, Step step, int error, Place where = Place::here()) {
    claim_step(result, step, where);
    claim(result.error == error, "error " + std::to_string(result.error), where);
}

bool set_no_capability() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
    return syscall(SYS_capset, &header, data) == 0;
}

void a_parser_holds_two_capabilities_in_a_namespace_of_its_own(void **) {
    NEEDS_ROOT();
    const std::array<gid_t, 2> some = {4, 27};
    holds_in_child([&] {
        claim(setgroups(some.size(), some.data()) == 0);
        LivingParser parser;
        claim_line(parser, "Uid", four(parser_uid));
        claim_line(parser, "Gid", four(parser_gid));
        claim_line(parser, "Groups", "");
        for (const char *set : {"CapPrm", "CapEff"}) claim_line(parser, set, id_changes);
        for (const char *set : {"CapInh", "CapBnd", "CapAmb"}) claim_line(parser, set, no_capability);
        claim(words_of(parser.proc("uid_map")).empty() && words_of(parser.proc("gid_map")).empty());
        namespace fs = std::filesystem;
        claim(fs::read_symlink(parser.proc("ns/user")) != fs::read_symlink("/proc/self/ns/user"));
        // The control: all of that is told from a process that did nothing.
        claim(status_line("Groups") == "4 27" && !words_of("/proc/self/uid_map").empty());
        claim(status_line("CapBnd") != no_capability);
    });
}

void root_made_the_namespace(void **) {
    NEEDS_ROOT();
    LivingParser parser;
    const Fd name_space{open(parser.proc("ns/user").c_str(), O_RDONLY | O_CLOEXEC)};
    uid_t maker = 1;
    assert_int_equal(ioctl(name_space.get(), NS_GET_OWNER_UID, &maker), 0);
    assert_int_equal(maker, 0);
}

void a_parser_is_locked_not_dumpable_and_dies_with_its_parent(void **) {
    NEEDS_ROOT();
    constexpr int locked =
        SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    const auto claim_protected = [] {
        int number = -1;
        claim(prctl(PR_GET_PDEATHSIG, &number) == 0 && number == SIGKILL);
        claim(prctl(PR_GET_DUMPABLE) == 0);
        claim(prctl(PR_GET_SECUREBITS) == locked);
    };
    LivingParser parser(claim_protected, [&] {
        claim_ok(become_granted(alice, getppid()));
        claim_protected();
    });
    claim_ok(write_grant(parser.pid(), alice));
    parser.go_on();
    // And it does: then nobody holds the other end of the pipe.
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    holds_in_child([] {
        const Beside orphan([] {
            alarm(30); // should it live on
            claim_ok(become_parser(parser_uid, parser_gid, getppid()));
        });
        _exit(0);
    });
    close(ends[1]);
    pollfd watched{ends[0], POLLHUP, 0};
    assert_int_equal(poll(&watched, 1, 5000), 1);
    close(ends[0]);
}

void become_leaves_no_descriptor_and_no_child(void **) {
    NEEDS_ROOT();
    const auto descriptors = [] {
        const std::filesystem::directory_iterator all("/proc/self/fd");
        return std::distance(begin(all), end(all));
    };
    holds_in_child([&] {
        const auto before = descriptors();
        claim_ok(become_parser(parser_uid, parser_gid, getppid()));
        claim(descriptors() == before);
        claim_refused(waitpid(-1, nullptr, __WALL), ECHILD);
    });
}

void a_granted_parser_is_its_identity(void **) {
    NEEDS_ROOT();
    LivingParser parser(nothing, [] { claim_ok(become_granted(alice, getppid())); });
    claim_ok(write_grant(parser.pid(), alice));
    claim(words_of(parser.proc("uid_map")) == "64803 64803 1");
    claim(words_of(parser.proc("gid_map")) == "40 40 2 64804 64804 2");
    claim_line(parser, "Uid", four(parser_uid)); // the control
    parser.go_on();
    claim_line(parser, "Uid", four(user));
    claim_line(parser, "Gid", four(group));
    claim_line(parser, "Groups", "40 41 64804 64805");
    for (const char *set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) claim_line(parser, set, no_capability);
}

void every_shape_of_groups_becomes_its_map(void **) {
    NEEDS_ROOT();
    struct Shape {
        gid_t gid;
        std::vector<gid_t> groups;
        const char *map;
    };
    std::vector<gid_t> many(10'000);
    for (gid_t i = 0; i < many.size(); i++) many[i] = 100'000 + i;
    const Shape shapes[] = {
        {7, {}, "7 7 1"},
        {7, {7}, "7 7 1"},
        {7, {8, 9}, "7 7 3"},
        {9, {7, 8}, "7 7 3"},
        {8, {7, 9}, "7 7 3"},
        {8, {6, 10}, "6 6 1 8 8 1 10 10 1"},
        {5, {7, 8}, "5 5 1 7 7 2"},
        {20, {7, 8}, "7 7 2 20 20 1"},
        {4294967294, {0, 1, 4294967293}, "0 0 2 4294967293 4294967293 2"},
        {65534, {65534, 65535}, "65534 65534 2"},
        {99'999, many, "99999 99999 10001"},
    };
    for (const Shape &shape : shapes) {
        const Ids ids{user, shape.gid, shape.groups};
        LivingParser parser(nothing, [&] {
            claim_ok(become_granted(ids, getppid()));
            claim(getgroups(0, nullptr) == static_cast<int>(shape.groups.size()));
        });
        claim_ok(write_grant(parser.pid(), ids));
        claim(words_of(parser.proc("gid_map")) == shape.map, words_of(parser.proc("gid_map")));
        parser.go_on();
    }
}

void groups_that_fit_into_no_map_are_refused_and_nothing_is_granted(void **) {
    NEEDS_ROOT();
    const auto spread = [](gid_t first, std::size_t count) {
        std::vector<gid_t> list(count);
        for (std::size_t i = 0; i < count; i++) list[i] = first + static_cast<gid_t>(2 * i);
        return list;
    };
    const auto ids_with = [](const std::vector<gid_t> &list) {
        return Ids{user, list.front(), list};
    };
    // 12 bytes a line up to 9998, 18 from a million on, 24 from a thousand million on.
    const auto fits = {spread(1000, 340), spread(1'000'000, 227), spread(1'000'000'000, 170)};
    for (const auto &list : fits)
        holds_with_grant(ids_with(list), [&] { claim_ok(become_granted(ids_with(list), getppid())); });
    const auto fits_not = {spread(1000, 341), spread(1'000'000, 228), spread(1'000'000'000, 171), spread(1000, 5000)};
    for (const auto &list : fits_not) {
        LivingParser parser;
        claim_failure(write_grant(parser.pid(), ids_with(list)), Step::write_gid_map, E2BIG);
        assert_true(words_of(parser.proc("gid_map")).empty() && words_of(parser.proc("uid_map")).empty());
    }
}

void ids_that_look_like_no_id_are_granted_too(void **) {
    NEEDS_ROOT();
    const std::array<gid_t, 1> nogroup = {65534};
    for (const Ids &ids : {Ids{65534, 65534, {}}, Ids{65534, 65534, nogroup}, Ids{user, 65534, nogroup}, Ids{0, 0, {}}})
        holds_with_grant(ids, [&] { claim_ok(become_granted(ids, getppid())); });
    // The control: inside, whoever has not become looks as if he had.
    holds_with_grant({65534, 65534, {}}, [] {
        claim(status_line("Uid") == four(65534) && status_line("Gid") == four(65534));
        claim(prctl(PR_SET_DUMPABLE, 0) == 0 && set_no_capability());
        claim_step(verify_granted({65534, 65534, {}}), Step::verify_ids);
    });
}

void become_granted_wants_exactly_its_grant(void **) {
    NEEDS_ROOT();
    const std::array<gid_t, 5> more = {40, 41, 42, 64804, 64805};
    const auto stops = [](const Ids &granted) {
        holds_with_grant(granted, [] { claim_step(become_granted(alice, getppid()), Step::verify_namespace); });
    };
    stops({user + 1, group, groups});
    stops({user, group, {}});
    stops({user, group, more});
    LivingParser without(nothing, [] { claim_step(become_granted(alice, getppid()), Step::verify_namespace); });
    without.go_on();
}

// What a defect of the master could do: inside, it looks right.
void a_map_that_leads_elsewhere_is_noticed(void **) {
    NEEDS_ROOT();
    const auto stops = [](const char *uids, const char *gids) {
        LivingParser parser(nothing, [] { claim_step(become_granted(alice, getppid()), Step::verify_namespace); });
        std::ofstream(parser.proc("gid_map")) << gids;
        std::ofstream(parser.proc("uid_map")) << uids;
        assert_false(words_of(parser.proc("uid_map")).empty() || words_of(parser.proc("gid_map")).empty());
        parser.go_on();
    };
    stops("64803 0 1", "40 40 2\n64804 64804 2");
    stops("64803 64803 2", "40 40 2\n64804 64804 2");
    stops("64803 64803 1\n0 0 1", "40 40 2\n64804 64804 2");
    stops("64803 64803 1", "40 42 2\n64804 64804 2");
    stops("64803 64803 1", "40 40 2\n64804 64804 2\n0 0 1");
    stops("64803 64803 1", "40 40 2\n64804 0 2");
}

void half_a_grant_is_none(void **) {
    NEEDS_ROOT();
    LivingParser parser(nothing, [] { claim_step(become_granted(alice, getppid()), Step::verify_namespace); });
    std::ofstream(parser.proc("gid_map")) << "40 40 2\n64804 64804 2";
    claim_failure(write_grant(parser.pid(), alice), Step::write_gid_map, EPERM);
    parser.go_on();
}

void a_grant_to_nobody_fails(void **) {
    NEEDS_ROOT();
    claim_failure(write_grant(1'000'000'000, alice), Step::write_gid_map, ENOENT);
    // A process in the namespace of the master has its map already.
    holds_in_child([] { claim_failure(write_grant(getpid(), alice), Step::write_gid_map, EPERM); });
}

void become_fails_where_the_parent_is_another(void **) {
    NEEDS_ROOT();
    holds_in_child([] { claim_step(become_parser(parser_uid, parser_gid, getppid() + 1), Step::parent_gone); });
    holds_with_grant(alice, [] { claim_step(become_granted(alice, 1'000'000'000), Step::parent_gone); });
}

void a_second_thread_stops_become(void **) {
    NEEDS_ROOT();
    const auto start_thread = [] {
        std::thread([] {
            for (;;) pause();
        }).detach();
    };
    holds_in_child([&] {
        start_thread();
        claim_step(become_parser(parser_uid, parser_gid, getppid()), Step::one_thread);
        claim(status_line("Uid") == four(0));
    });
    holds_with_grant(alice, [&] {
        start_thread();
        claim_step(become_granted(alice, getppid()), Step::one_thread);
    });
    LivingParser parser(start_thread, [] { claim_step(verify_parser(), Step::one_thread); });
    parser.go_on();
}

void verify_parser_notices_what_is_no_parser(void **) {
    NEEDS_ROOT();
    holds_in_child([] { claim_step(verify_parser(), Step::verify_namespace); });
    holds_in_child([] {
        claim_ok(become_spare(parser_uid, parser_gid, getppid()));
        claim_step(verify_parser(), Step::verify_namespace);
    });
    // A namespace alone: all capabilities are there.
    holds_in_child([] {
        claim(setgroups(0, nullptr) == 0 && unshare(CLONE_NEWUSER) == 0);
        claim_step(verify_parser(), Step::verify_capabilities);
    });
    holds_with_grant(alice, [] { claim_step(verify_parser(), Step::verify_namespace); });
    LivingParser open_to_all([] { claim(prctl(PR_SET_DUMPABLE, 1) == 0); },
                             [] { claim_step(verify_parser(), Step::set_dumpable); });
    open_to_all.go_on();
    LivingParser without([] { claim(set_no_capability()); },
                         [] { claim_step(verify_parser(), Step::verify_capabilities); });
    without.go_on();
}

void a_probe_says_whether_it_works_here(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        claim_ok(probe_parsers(parser_uid, parser_gid, alice));
        claim_refused(waitpid(-1, nullptr, __WALL), ECHILD);
    });
}

void a_probe_names_the_step_that_does_not_work(void **) {
    NEEDS_ROOT();
    const std::pair<FailingCall, Step> faults[] = {
        {{SYS_setns, any_argument, EPERM}, Step::new_namespace},
        {{SYS_setresgid, any_argument, EPERM}, Step::set_gid},
        {{SYS_memfd_create, any_argument, ENOSYS}, Step::verify_ids},
        {{SYS_socketpair, any_argument, EMFILE}, Step::make_channel},
        {{SYS_sendto, any_argument, EPIPE}, Step::peer_closed},
    };
    for (const auto &[call, step] : faults) {
        holds_in_child([&, failing = call, wanted = step] {
            claim(make_fail(failing));
            claim_step(probe_parsers(parser_uid, parser_gid, alice), wanted);
            claim_refused(waitpid(-1, nullptr, __WALL), ECHILD);
        });
    }
    // No namespaces are left for root.
    holds_in_child([] {
        claim(unshare(CLONE_NEWUSER) == 0);
        claim_failure(probe_parsers(parser_uid, parser_gid, alice), Step::new_namespace, EPERM);
    });
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_parser_holds_two_capabilities_in_a_namespace_of_its_own),
        cmocka_unit_test(root_made_the_namespace),
        cmocka_unit_test(a_parser_is_locked_not_dumpable_and_dies_with_its_parent),
        cmocka_unit_test(become_leaves_no_descriptor_and_no_child),
        cmocka_unit_test(a_granted_parser_is_its_identity),
        cmocka_unit_test(every_shape_of_groups_becomes_its_map),
        cmocka_unit_test(groups_that_fit_into_no_map_are_refused_and_nothing_is_granted),
        cmocka_unit_test(ids_that_look_like_no_id_are_granted_too),
        cmocka_unit_test(become_granted_wants_exactly_its_grant),
        cmocka_unit_test(a_map_that_leads_elsewhere_is_noticed),
        cmocka_unit_test(half_a_grant_is_none),
        cmocka_unit_test(a_grant_to_nobody_fails),
        cmocka_unit_test(become_fails_where_the_parent_is_another),
        cmocka_unit_test(a_second_thread_stops_become),
        cmocka_unit_test(verify_parser_notices_what_is_no_parser),
        cmocka_unit_test(a_probe_says_whether_it_works_here),
        cmocka_unit_test(a_probe_names_the_step_that_does_not_work),
    };
    return cmocka_run_group_tests_name("id map", tests, nullptr, nullptr);
}
