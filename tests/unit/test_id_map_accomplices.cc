// Claims about os/id_map: what an accomplice outside the parser's namespace tries in vain, and what a grant, and the
// worker it makes, leave no way to. Each attempt is seen to succeed where nothing stands against it.
#include "intruding.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdlib>

using namespace itk2;
using namespace itk2::os;

namespace {

// A folder for anybody.
class Folder {
  public:
    Folder() { claim(mkdtemp(name_) && chmod(name_, 0777) == 0, "folder"); }
    ~Folder() {
        for (const char *file : {"id", "secret", "mine", "groups"}) unlink(path(file).c_str());
        rmdir(name_);
    }
    Folder(const Folder &) = delete;
    Folder &operator=(const Folder &) = delete;
    [[nodiscard]] std::string path(const std::string &file) const { return std::string(name_) + "/" + file; }
    void add(const std::string &file, uid_t uid, gid_t gid, mode_t mode) const {
        std::ofstream(path(file)) << "content";
        claim(chown(path(file).c_str(), uid, gid) == 0 && chmod(path(file).c_str(), mode) == 0);
    }

  private:
    char name_[32] = "/tmp/itk2-id-map-XXXXXX";
};

void claim_maps_empty(const LivingParser &parser) {
    claim(words_of(parser.proc("uid_map")).empty() && words_of(parser.proc("gid_map")).empty());
}

void another_user_cannot_write_a_parsers_map(void **) {
    NEEDS_ROOT();
    LivingParser parser;
    LivingParser careless([] { claim(prctl(PR_SET_DUMPABLE, 1) == 0); }, nothing);
    const auto try_all = [&] {
        for (const LivingParser *one : {&parser, &careless}) {
            claim_closed_to_me(*one);
            for (const char *map : {"uid_map", "gid_map"}) claim(!write_file(one->proc(map), "64803 64803 1"));
        }
    };
    holds_as(user, group, try_all);
    // With all capabilities in a namespace of his own.
    holds_as(user, group, [&] {
        claim(unshare(CLONE_NEWUSER) == 0 && write_file("/proc/self/uid_map", "0 64803 1"));
        claim(write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/gid_map", "0 64804 1"));
        claim(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
        try_all();
    });
    claim_maps_empty(parser);
    claim_maps_empty(careless);
    claim(write_file(parser.proc("uid_map"), "64803 64803 1")); // the control: the master can
}

// How an accomplice gets the parsers' uid: any local user starts what a parser has left.
void a_parser_can_hand_its_uid_to_others(void **) {
    NEEDS_ROOT();
    const Folder folder;
    const std::string copy = "cp /usr/bin/id " + folder.path("id") + " && chmod 4755 " + folder.path("id");
    LivingParser parser([&] { claim(system(copy.c_str()) == 0); }, nothing);
    holds_as(user, group, [&] {
        const std::string ask = "test \"$(" + folder.path("id") + " -u)\" = 64801";
        if (system(ask.c_str()) == 0) return;
        print_message("# not so here: %s is mounted nosuid\n", folder.path("").c_str());
    });
}

void a_process_with_the_parsers_uid_has_no_power_over_a_parser(void **) {
    NEEDS_ROOT();
    LivingParser parser;
    LivingParser careless([] { claim(prctl(PR_SET_DUMPABLE, 1) == 0); }, nothing);
    const Fd handed = open_namespace(careless.proc(""));
    holds_as(parser_uid, parser_gid, [&] {
        claim_closed_to_me(parser);
        for (const char *map : {"uid_map", "gid_map"}) claim(!write_file(careless.proc(map), "64801 64801 1"));
        claim(look_by_ptrace(careless.pid()) == EPERM && look_by_memory(careless.pid()) == EPERM);
        claim(look_by_descriptor(careless.pid()) == EPERM && enter_by_pidfd(careless.pid()) == EPERM);
        claim(enter_by_descriptor(handed) == EPERM);
        // What is left to it.
        claim(kill(parser.pid(), 0) == 0);
        rlimit limit{};
        claim(prlimit(parser.pid(), RLIMIT_NOFILE, nullptr, &limit) == 0);
    });
    claim_maps_empty(parser);
    claim_maps_empty(careless);
    // The control: had the account made the namespace, its maker's uid would be enough.
    Beside own_maker([] {
        be_ordinary(parser_uid, parser_gid);
        claim(unshare(CLONE_NEWUSER) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
    });
    holds_as(parser_uid, parser_gid, [&] {
        claim(write_file(own_maker.proc("uid_map"), "0 64801 1"));
        claim(look_by_ptrace(own_maker.pid()) == 0 && look_by_memory(own_maker.pid()) == 0);
        claim(enter_by_pidfd(own_maker.pid()) == 0 && status_line("CapEff") != "0000000000000000");
    });
}

// What a worker starts is dumpable, and in the parser's namespace.
void what_a_worker_starts_is_closed_to_the_parsers_uid(void **) {
    NEEDS_ROOT();
    LivingParser parser(nothing, [] {
        claim_ok(become_granted(alice, getppid()));
        claim(prctl(PR_SET_DUMPABLE, 1) == 0); // as exec makes it
    });
    claim_ok(write_grant(parser.pid(), alice));
    parser.go_on();
    const Fd handed = open_namespace(parser.proc(""));
    for (const uid_t uid : {parser_uid, user + 1}) {
        holds_as(uid, group, [&] {
            claim(look_by_ptrace(parser.pid()) == EPERM && look_by_memory(parser.pid()) == EPERM);
            claim(enter_by_pidfd(parser.pid()) == EPERM && enter_by_descriptor(handed) == EPERM);
            claim_refused(kill(parser.pid(), 0), EPERM);
        });
    }
    holds_in_child([&] { claim(look_by_ptrace(parser.pid()) == 0); }); // the control: root can
}

void a_grant_is_for_good(void **) {
    NEEDS_ROOT();
    const Ids bob{user + 1, group + 100, {}};
    LivingParser parser(nothing, [] { claim_ok(become_granted(alice, getppid())); });
    const auto refused_again = [&] {
        for (const Ids &ids : {alice, bob}) {
            const Result again = write_grant(parser.pid(), ids);
            claim(again.step == Step::write_gid_map && again.error == EPERM);
        }
        claim(!write_file(parser.proc("uid_map"), "64804 64804 1") && errno == EPERM);
    };
    claim_ok(write_grant(parser.pid(), alice)); // the control
    refused_again();
    parser.go_on();
    refused_again();
}

void a_grant_does_not_reach_a_namespace_inside_the_parsers(void **) {
    NEEDS_ROOT();
    LivingParser parser(nothing, [] {
        claim(setresgid(group, group, group) == 0 && setresuid(user, user, user) == 0 && unshare(CLONE_NEWUSER) == 0);
    });
    claim_ok(write_grant(parser.pid(), alice));
    parser.go_on();
    claim(words_of(parser.proc("uid_map")).empty()); // a new one, and empty
    const Result again = write_grant(parser.pid(), {0, 0, {}});
    claim(again.step == Step::write_gid_map && again.error == EPERM);
}

void a_granted_parser_can_take_its_own_ids_and_no_others(void **) {
    NEEDS_ROOT();
    holds_with_grant(alice, [] {
        for (const uid_t uid : {uid_t{0}, parser_uid, user + 100, uid_t{65534}}) {
            claim_refused(setresuid(uid, uid, uid), EINVAL);
            claim_refused(setresgid(uid, uid, uid), EINVAL);
            const gid_t one = uid;
            claim_refused(setgroups(1, &one), EINVAL);
        }
        const gid_t one_of_two[] = {40, 42};
        claim_refused(setgroups(2, one_of_two), EINVAL);
        // The control, and what the user may do too, by newgrp(1).
        for (const gid_t gid : groups) claim(setresgid(gid, gid, gid) == 0);
        claim(setgroups(groups.size(), groups.data()) == 0 && setresuid(user, user, user) == 0);
        claim_refused(setresuid(parser_uid, parser_uid, parser_uid), EINVAL);
    });
}

void become_granted_cannot_be_undone(void **) {
    NEEDS_ROOT();
    holds_with_grant(alice, [&] {
        claim_ok(become_granted(alice, getppid()));
        for (const uid_t uid : {uid_t{0}, parser_uid}) {
            claim_refused(setresuid(uid, uid, uid), EINVAL);
            claim_refused(setresgid(uid, uid, uid), EINVAL);
        }
        for (const gid_t gid : {40U, 41U, 64805U}) claim_refused(setresgid(gid, gid, gid), EPERM);
        claim_refused(setgroups(groups.size(), groups.data()), EPERM);
        claim_refused(setgroups(0, nullptr), EPERM);
        claim_refused(unshare(CLONE_NEWNS), EPERM);
        claim_refused(prctl(PR_SET_SECUREBITS, 0), EPERM);
        // Its own file is no way either.
        claim(prctl(PR_SET_DUMPABLE, 1) == 0);
        claim(!write_file("/proc/self/uid_map", "0 0 1") && errno == EPERM);
        claim(!can_open("/proc/self/setgroups", O_WRONLY));
    });
    // The control: with its grant alone, a parser can take its groups in any order.
    holds_with_grant(alice, [] {
        for (const gid_t gid : groups) claim(setresgid(gid, gid, gid) == 0);
        claim(setgroups(0, nullptr) == 0 && setgroups(groups.size(), groups.data()) == 0);
    });
}

// All capabilities inside, and none over what is not its own outside.
void a_namespace_inside_a_workers_opens_no_files_of_others(void **) {
    NEEDS_ROOT();
    const Folder folder;
    folder.add("secret", user + 1, group + 100, 0600);
    folder.add("mine", user, group, 0600);
    folder.add("groups", user + 1, groups[0], 0640);
    holds_with_grant(alice, [&] {
        claim_ok(become_granted(alice, getppid()));
        const auto claim_files = [&] {
            claim(can_open(folder.path("mine"), O_RDWR));
            claim(can_open(folder.path("groups"), O_RDONLY) && !can_open(folder.path("groups"), O_RDWR));
            claim(!can_open(folder.path("secret"), O_RDONLY) && errno == EACCES);
            claim(!can_open("/etc/shadow", O_RDONLY) && errno == EACCES);
            claim_refused(chown(folder.path("mine").c_str(), parser_uid, static_cast<gid_t>(-1)), EINVAL);
        };
        claim(!can_open(folder.path("secret"), O_RDONLY));
        claim(prctl(PR_SET_DUMPABLE, 1) == 0 && unshare(CLONE_NEWUSER) == 0);
        claim(status_line("CapEff") != "0000000000000000");
        for (const char *text : {"0 0 1", "0 64801 1", "0 64804 1", "0 64803 2"})
            claim(!write_file("/proc/self/uid_map", text) && errno == EPERM);
        claim(write_file("/proc/self/uid_map", "0 64803 1"));
        claim(!write_file("/proc/self/gid_map", "0 64804 1") && errno == EPERM); // or he could leave a group
        claim(write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/gid_map", "0 64804 1"));
        claim(setresuid(0, 0, 0) == 0);
        claim_files();
    });
    holds_in_child([&] { claim(can_open(folder.path("secret"), O_RDWR)); }); // the control: root can
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(another_user_cannot_write_a_parsers_map),
        cmocka_unit_test(a_parser_can_hand_its_uid_to_others),
        cmocka_unit_test(a_process_with_the_parsers_uid_has_no_power_over_a_parser),
        cmocka_unit_test(what_a_worker_starts_is_closed_to_the_parsers_uid),
        cmocka_unit_test(a_grant_is_for_good),
        cmocka_unit_test(a_grant_does_not_reach_a_namespace_inside_the_parsers),
        cmocka_unit_test(a_granted_parser_can_take_its_own_ids_and_no_others),
        cmocka_unit_test(become_granted_cannot_be_undone),
        cmocka_unit_test(a_namespace_inside_a_workers_opens_no_files_of_others),
    };
    return cmocka_run_group_tests_name("id map, accomplices", tests, nullptr, nullptr);
}
