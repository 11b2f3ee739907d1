// Claims about os/path_owner: whose directory it is, and that nobody can lead the way to another's.
#include "in_child.h"

#include "os/owner_teller.h"
#include "os/path_owner.h"

#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

using namespace itk2::os;
namespace fs = std::filesystem;

namespace {

using Outcome = PathOwner::Outcome;
constexpr uid_t alice = 31001, bob = 31002;

// /top (root) /home (root) /home/alice (alice) /home/alice/www (alice), /home/bob/www (bob)
class Tree {
  public:
    Tree() {
        char name[] = "/tmp/itk2-path-owner-XXXXXX";
        root_ = mkdtemp(name);
        chmod(root_.c_str(), 0755);
        make("home", 0, 0755);
        make("home/alice", alice, 0755);
        make("home/alice/www", alice, 0755);
        make("home/bob", bob, 0755);
        make("home/bob/www", bob, 0755);
    }
    ~Tree() { fs::remove_all(root_); }
    Tree(const Tree &) = delete;
    Tree &operator=(const Tree &) = delete;

    [[nodiscard]] std::string path(const std::string &name) const { return root_ + "/" + name; }
    void make(const std::string &name, uid_t uid, mode_t mode) const {
        assert_true(fs::is_directory(path(name)) || mkdir(path(name).c_str(), mode) == 0);
        assert_int_equal(chown(path(name).c_str(), uid, uid + 1), 0);
        assert_int_equal(chmod(path(name).c_str(), mode), 0);
    }
    void link(const std::string &name, const std::string &target, uid_t uid) const {
        assert_int_equal(symlink(target.c_str(), path(name).c_str()), 0);
        assert_int_equal(lchown(path(name).c_str(), uid, uid), 0);
    }
    [[nodiscard]] PathOwner owner(const std::string &name, Sight sight = Sight::own) const {
        return find_path_owner(path(name).c_str(), sight);
    }

  private:
    std::string root_;
};

void is_of(const PathOwner &owner, uid_t uid) {
    assert_int_equal(static_cast<int>(owner.outcome), static_cast<int>(Outcome::found));
    assert_int_equal(owner.uid, uid);
    assert_int_equal(owner.gid, uid == 0 ? owner.gid : uid + 1);
}

void says(const PathOwner &owner, Outcome outcome) {
    assert_int_equal(static_cast<int>(owner.outcome), static_cast<int>(outcome));
}

void a_directory_has_its_owner_and_group(void **) {
    NEEDS_ROOT();
    const Tree tree;
    is_of(tree.owner("home/alice/www"), alice);
    is_of(tree.owner("home/alice/www/"), alice);
    is_of(tree.owner("home//bob/./www/../../alice"), alice);
    is_of(tree.owner("home"), 0);
    is_of(find_path_owner("/", Sight::anybodys), 0);
}

void what_is_not_there_is_missing(void **) {
    NEEDS_ROOT();
    const Tree tree;
    fclose(fopen(tree.path("file").c_str(), "w"));
    says(tree.owner("home/carol"), Outcome::missing);
    says(tree.owner("file"), Outcome::missing);
    says(tree.owner("file/below"), Outcome::missing);
    says(find_path_owner("relative", Sight::own), Outcome::failed);
    says(find_path_owner("", Sight::own), Outcome::failed);
    says(find_path_owner(("/" + std::string(5000, 'x')).c_str(), Sight::own), Outcome::failed);
}

void anybody_sees_as_far_as_others_may_search(void **) {
    NEEDS_ROOT();
    const Tree tree;
    tree.make("home/alice/www", bob, 0755);
    tree.make("home/alice", alice, 0750);
    is_of(tree.owner("home/alice/www", Sight::anybodys), alice);
    is_of(tree.owner("home/alice/not-there", Sight::anybodys), alice);
    is_of(tree.owner("home/alice/www"), bob);
    tree.make("home/alice", alice, 0711);
    is_of(tree.owner("home/alice/www", Sight::anybodys), bob);
    // The last one needs not be searched.
    tree.make("home/alice/www", alice, 0700);
    is_of(tree.owner("home/alice/www", Sight::anybodys), alice);
}

void a_process_without_rights_sees_the_same_as_anybody(void **) {
    NEEDS_ROOT();
    const Tree tree;
    tree.make("home/alice", alice, 0750);
    holds_in_child([&] {
        claim(setgid(31009) == 0 && setuid(31009) == 0);
        for (const Sight sight : {Sight::own, Sight::anybodys}) {
            const PathOwner owner = tree.owner("home/alice/www", sight);
            claim(owner.outcome == Outcome::found && owner.uid == alice);
        }
    });
}

void symlinks_of_root_and_of_the_owner_lead_on(void **) {
    NEEDS_ROOT();
    const Tree tree;
    tree.link("site", "home/alice/www", 0);
    tree.link("home/alice/current", "www", alice);
    tree.link("chain", tree.path("home/alice/current"), 0);
    is_of(tree.owner("site"), alice);
    is_of(tree.owner("home/alice/current"), alice);
    is_of(tree.owner("chain/"), alice);
}

void symlinks_of_others_lead_nowhere(void **) {
    NEEDS_ROOT();
    const Tree tree;
    tree.link("home/alice/stolen", tree.path("home/bob/www"), alice);
    tree.link("home/alice/root", "/", alice);
    tree.link("by-root", "home/alice/stolen", 0);
    tree.link("home/bob/both", tree.path("home/alice/back"), bob);
    tree.link("home/alice/back", tree.path("home/bob/www"), alice);
    for (const char *name : {"home/alice/stolen", "home/alice/root", "by-root", "home/bob/both"})
        for (const Sight sight : {Sight::own, Sight::anybodys}) says(tree.owner(name, sight), Outcome::others_symlink);
}

void symlinks_that_go_round_end(void **) {
    NEEDS_ROOT();
    const Tree tree;
    tree.link("round", "round", 0);
    tree.link("deeper", "deeper/x", 0);
    says(tree.owner("round"), Outcome::failed);
    assert_int_equal(tree.owner("round").error, ELOOP);
    says(tree.owner("deeper"), Outcome::failed);
}

void from_a_user_namespace_only_the_teller_sees_owners(void **) {
    NEEDS_ROOT();
    const Tree tree;
    holds_in_child([&] {
        OwnerTeller teller;
        claim_ok(teller.start(31008, 31008));
        if (unshare(CLONE_NEWUSER) != 0) {
            print_message("skipped: no user namespace: %s\n", strerror(errno));
            return;
        }
        claim(tree.owner("home/alice/www").uid != alice);
        const PathOwner told = teller.ask(tree.path("home/alice/www").c_str(), 5000);
        claim(told.outcome == Outcome::found && told.uid == alice && told.gid == alice + 1);
        claim(teller.ask(tree.path("home/carol").c_str(), 5000).outcome == Outcome::missing);
    });
}

void a_teller_sees_what_anybody_sees(void **) {
    NEEDS_ROOT();
    const Tree tree;
    tree.make("home/alice/www", bob, 0755);
    tree.make("home/alice", alice, 0750);
    tree.link("home/bob/stolen", tree.path("home/alice"), bob);
    holds_in_child([&] {
        OwnerTeller teller;
        claim_ok(teller.start(31008, 31008));
        claim(teller.ask(tree.path("home/alice/www").c_str(), 5000).uid == alice);
        claim(teller.ask(tree.path("home/bob/stolen").c_str(), 5000).outcome == Outcome::others_symlink);
        for (const std::string &path : {std::string(), std::string(4096, '/'), std::string(100'000, 'x')})
            claim(teller.ask(path.c_str(), 5000).outcome == Outcome::failed);
        const std::string longest = "/" + std::string(4090, 'x');
        claim(teller.ask(longest.c_str(), 5000).error == ENAMETOOLONG);
        claim(teller.ask("/", 5000).outcome == Outcome::found);
    });
}

// A child of this process that runs as `uid`; 0 where there is none.
pid_t child_with(uid_t uid) {
    for (const auto &entry : fs::directory_iterator("/proc")) {
        const std::string status = entry.path().string() + "/status";
        if (status_line("PPid", status) == std::to_string(getpid()) &&
            status_line("Uid", status).compare(0, 5, std::to_string(uid)) == 0)
            return static_cast<pid_t>(std::stol(entry.path().filename().string()));
    }
    return 0;
}

void a_teller_has_no_privilege_and_ends_with_its_channel(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        pid_t child = 0;
        {
            OwnerTeller teller;
            claim_ok(teller.start(31007, 31007));
            child = child_with(31007);
            claim(child != 0);
            const std::string status = "/proc/" + std::to_string(child) + "/status";
            for (const char *set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"})
                claim(status_line(set, status) == "0000000000000000", set);
            claim(status_line("Groups", status).empty());
        }
        claim(waitpid(child, nullptr, 0) == child);
    });
}

void a_teller_that_died_or_hangs_is_a_failure(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        OwnerTeller teller;
        claim_ok(teller.start(31007, 31007));
        const pid_t child = child_with(31007);
        claim(kill(child, SIGSTOP) == 0);
        claim(teller.ask("/", 100).error == ETIMEDOUT);
        claim(kill(child, SIGCONT) == 0);
        // Not the late answer to the question before.
        claim(teller.ask("/nowhere-at-all", 5000).outcome == Outcome::missing);
        claim(kill(child, SIGKILL) == 0 && waitpid(child, nullptr, 0) == child);
        claim(teller.ask("/", 5000).outcome == Outcome::failed);
        claim(OwnerTeller{}.is_started() == false);
    });
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_has_its_owner_and_group),
        cmocka_unit_test(what_is_not_there_is_missing),
        cmocka_unit_test(anybody_sees_as_far_as_others_may_search),
        cmocka_unit_test(a_process_without_rights_sees_the_same_as_anybody),
        cmocka_unit_test(symlinks_of_root_and_of_the_owner_lead_on),
        cmocka_unit_test(symlinks_of_others_lead_nowhere),
        cmocka_unit_test(symlinks_that_go_round_end),
        cmocka_unit_test(from_a_user_namespace_only_the_teller_sees_owners),
        cmocka_unit_test(a_teller_sees_what_anybody_sees),
        cmocka_unit_test(a_teller_has_no_privilege_and_ends_with_its_channel),
        cmocka_unit_test(a_teller_that_died_or_hangs_is_a_failure),
    };
    return cmocka_run_group_tests_name("path owner", tests, nullptr, nullptr);
}
