// Claims about httpd/account_files and plan/account_book: files that are read once tell what the C library would; and
// where only it can tell, it is asked.
#include "in_child.h"

#include "httpd/account_files.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

using namespace itk2;
using namespace itk2::httpd;

namespace {

using Found = AccountFiles::Found;

// A directory with nsswitch.conf, passwd and group.
class Directory {
  public:
    Directory(const std::string &nsswitch, const std::string &passwd, const std::string &group) {
        char name[] = "/tmp/itk2-account-files-XXXXXX";
        assert_non_null(mkdtemp(name));
        path = name;
        std::ofstream(path + "/nsswitch.conf") << nsswitch;
        std::ofstream(path + "/passwd") << passwd;
        std::ofstream(path + "/group") << group;
    }
    ~Directory() { std::filesystem::remove_all(path); }
    Directory(const Directory &) = delete;
    Directory &operator=(const Directory &) = delete;

    std::string path;
};

constexpr char only_files[] = "# comment: files\n\npasswd:\tfiles # all\ngroup:files\n";
constexpr char users[] = "root:x:0:0::/:/bin/sh\nshop:x:5001:6001::/:/bin/sh\nblog:x:5002:6002::/:/bin/sh\n"
                         "shop:x:5003:6003::/:/bin/sh\nagain:x:5002:6004::/:/bin/sh\n+nis:x:5009:6009::/:/bin/sh\n";
constexpr char groups[] = "root:x:0:\nshop:x:6001:\nmail:x:7000:blog,shop\nweb:x:7001:shop\nlog:x:7002:shopkeeper\n";

Found user(const AccountFiles &files, const char *name) {
    plan::AccountBook::User found;
    return files.find_user(name, found);
}

std::set<gid_t> groups_of(const AccountFiles &files, const char *name, gid_t gid) {
    GrowingArray<gid_t> found;
    assert_true(files.find_groups(name, gid, found));
    return {found.items().begin(), found.items().end()};
}

void names_and_numbers_are_found(void **) {
    const Directory directory(only_files, users, groups);
    const AccountFiles files(directory.path.c_str());
    plan::AccountBook::User found;
    assert_true(files.find_user("blog", found) == Found::yes);
    assert_int_equal(found.uid, 5002);
    assert_int_equal(found.gid, 6002);
    assert_string_equal(found.name.data(), "blog");
    assert_true(files.find_user(5001, found) == Found::yes);
    assert_string_equal(found.name.data(), "shop");
    gid_t gid = 0;
    assert_true(files.find_group("mail", gid) == Found::yes);
    assert_int_equal(gid, 7000);
    assert_true(groups_of(files, "shop", 6001) == (std::set<gid_t>{7000, 7001}));
    assert_true(groups_of(files, "root", 0).empty());
}

void the_first_of_two_entries_counts(void **) {
    const Directory directory(only_files, users, groups);
    const AccountFiles files(directory.path.c_str());
    plan::AccountBook::User found;
    assert_true(files.find_user("shop", found) == Found::yes);
    assert_int_equal(found.uid, 5001);
    assert_true(files.find_user(5002, found) == Found::yes);
    assert_string_equal(found.name.data(), "blog");
}

void where_there_are_only_files_a_missing_name_is_nobodys(void **) {
    const Directory directory(only_files, users, groups);
    const AccountFiles files(directory.path.c_str());
    plan::AccountBook::User found;
    gid_t gid = 0;
    assert_true(user(files, "sho") == Found::no);
    assert_true(user(files, "+nis") == Found::no);
    assert_true(files.find_user(5009, found) == Found::no);
    assert_true(files.find_group("shops", gid) == Found::no);
}

void a_service_the_machine_has_not_got_says_nothing(void **) {
    const Directory directory("passwd: files nosuchservice\ngroup: files nosuchservice\n", users, groups);
    const AccountFiles files(directory.path.c_str());
    assert_true(user(files, "nobody at all") == Found::no);
    assert_true(groups_of(files, "blog", 6002) == (std::set<gid_t>{7000}));
}

void of_a_further_service_only_the_c_library_knows(void **) {
    // dns is a module that every machine has, and that has no users.
    const Directory directory("passwd: files dns\ngroup: files dns\n", users, groups);
    const AccountFiles files(directory.path.c_str());
    assert_true(user(files, "shop") == Found::yes);
    assert_true(user(files, "nobody at all") == Found::unknown);
    GrowingArray<gid_t> found;
    assert_false(files.find_groups("shop", 6001, found));
}

void what_does_not_begin_with_files_is_left_to_the_c_library(void **) {
    for (const char *line : {"ldap files", "compat", "db files", "files [SUCCESS=continue] ldap",
                             "files [NOTFOUND=return] ldap", "files a b c d e", ""}) {
        const Directory directory(std::string("passwd: ") + line + "\ngroup: " + line + "\n", users, groups);
        const AccountFiles files(directory.path.c_str());
        gid_t gid = 0;
        GrowingArray<gid_t> found;
        assert_true(user(files, "shop") == Found::unknown);
        assert_true(files.find_group("mail", gid) == Found::unknown);
        assert_false(files.find_groups("shop", 6001, found));
    }
}

void unclear_files_are_left_to_the_c_library(void **) {
    const Directory twice("passwd: files\npasswd: ldap\ngroup: files\n", users, groups);
    assert_true(user(AccountFiles(twice.path.c_str()), "shop") == Found::unknown);
    const Directory directory(only_files, users, groups);
    std::filesystem::remove(directory.path + "/group");
    assert_true(user(AccountFiles(directory.path.c_str()), "shop") == Found::unknown);
    assert_true(user(AccountFiles("/nonexistent"), "shop") == Found::unknown);
    // Which databases ask for groups is then another line's matter.
    const Directory other(std::string(only_files) + "initgroups: ldap\n", users, groups);
    GrowingArray<gid_t> found;
    assert_false(AccountFiles(other.path.c_str()).find_groups("shop", 6001, found));
}

void merged_groups_are_found(void **) {
    const Directory directory("passwd: files\ngroup: files [SUCCESS=merge] nosuchservice\n", users, groups);
    const AccountFiles files(directory.path.c_str());
    assert_true(groups_of(files, "shop", 6001) == (std::set<gid_t>{7000, 7001}));
}

// The judge is this machine's C library, with this machine's nsswitch.conf.
void every_user_of_this_machine_is_answered_as_the_c_library_does(void **) {
    const AccountFiles files;
    std::vector<std::string> names;
    setpwent();
    while (const passwd *entry = getpwent()) names.emplace_back(entry->pw_name);
    endpwent();
    assert_true(names.size() > 1);
    for (const std::string &name : names) {
        const passwd entry = *getpwnam(name.c_str());
        plan::AccountBook::User found;
        if (files.find_user(name.c_str(), found) == Found::unknown) continue;
        assert_int_equal(found.uid, entry.pw_uid);
        assert_int_equal(found.gid, entry.pw_gid);
        assert_true(files.find_user(entry.pw_uid, found) == Found::yes);
        assert_string_equal(found.name.data(), getpwuid(found.uid)->pw_name);
        GrowingArray<gid_t> told;
        if (!files.find_groups(name.c_str(), found.gid, told)) continue;
        told.add(found.gid);
        std::vector<gid_t> asked(65536);
        int count = static_cast<int>(asked.size());
        assert_true(getgrouplist(name.c_str(), found.gid, asked.data(), &count) >= 0);
        assert_true(std::set<gid_t>(told.items().begin(), told.items().end()) ==
                    std::set<gid_t>(asked.begin(), asked.begin() + count));
    }
}

// Ten thousand of them, found by looking at a few each.
void many_accounts_are_found(void **) {
    std::string many_users;
    std::string many_groups = "all:x:9:";
    for (int i = 0; i < 10'000; i++) {
        const std::string name = "u" + std::to_string(i);
        many_users += name + ":x:" + std::to_string(20'000 + i) + ":" + std::to_string(20'000 + i) + "::/:/bin/sh\n";
        many_groups += (i == 0 ? "" : ",") + name;
    }
    many_groups += "\n";
    const Directory directory(only_files, many_users, many_groups);
    const AccountFiles files(directory.path.c_str());
    for (int i = 0; i < 10'000; i++) {
        plan::AccountBook::User found;
        assert_true(files.find_user(("u" + std::to_string(i)).c_str(), found) == Found::yes);
        assert_int_equal(found.uid, 20'000 + i);
        assert_true(groups_of(files, found.name.data(), found.gid) == (std::set<gid_t>{9}));
    }
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers_are_found),
        cmocka_unit_test(the_first_of_two_entries_counts),
        cmocka_unit_test(where_there_are_only_files_a_missing_name_is_nobodys),
        cmocka_unit_test(a_service_the_machine_has_not_got_says_nothing),
        cmocka_unit_test(of_a_further_service_only_the_c_library_knows),
        cmocka_unit_test(what_does_not_begin_with_files_is_left_to_the_c_library),
        cmocka_unit_test(unclear_files_are_left_to_the_c_library),
        cmocka_unit_test(merged_groups_are_found),
        cmocka_unit_test(every_user_of_this_machine_is_answered_as_the_c_library_does),
        cmocka_unit_test(many_accounts_are_found),
    };
    return cmocka_run_group_tests_name("account files", tests, nullptr, nullptr);
}
