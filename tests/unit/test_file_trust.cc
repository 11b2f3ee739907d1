// Claims about os/file_trust: a file is trusted only where nobody but root could have put it there.
#include "in_child.h"

#include "os/file_trust.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

using namespace itk2;
using namespace itk2::os;

namespace {

constexpr uid_t stranger = 64903;

// TOP/above/program, all of it root's; TOP stands in /tmp.
class Tree {
  public:
    Tree() {
        char name[] = "/tmp/itk2-file-trust-XXXXXX";
        assert_non_null(mkdtemp(name));
        top = name;
        above = top + "/above";
        program = above + "/program";
        assert_int_equal(chmod(name, 0755), 0);
        assert_int_equal(mkdir(above.c_str(), 0755), 0);
        std::ofstream(program) << "program";
        assert_int_equal(chmod(program.c_str(), 0755), 0);
    }
    ~Tree() { std::filesystem::remove_all(top); }
    Tree(const Tree &) = delete;
    Tree &operator=(const Tree &) = delete;

    std::string top;
    std::string above;
    std::string program;
};

void distrusts(const std::string &path, Distrust reason, const std::string &offender, uid_t also_trusted = 0) {
    FileTrust trust;
    const Result result = verify_file_trust(path.c_str(), also_trusted, trust);
    assert_int_equal(result.step, Step::file_trust);
    assert_int_not_equal(result.error, 0);
    assert_int_equal(static_cast<int>(trust.reason), static_cast<int>(reason));
    assert_string_equal(trust.offender, offender.c_str());
}

void trusts(const std::string &path, const std::string &resolved, uid_t also_trusted = 0) {
    FileTrust trust;
    assert_true(verify_file_trust(path.c_str(), also_trusted, trust).ok());
    assert_string_equal(trust.path, resolved.c_str());
    assert_string_equal(trust.offender, "");
}

void roots_own_file_is_trusted(void **) {
    NEEDS_ROOT();
    const Tree tree;
    trusts(tree.program, tree.program);
    trusts(tree.above + "/../above/./program", tree.program);
    trusts("/bin/sh", std::filesystem::canonical("/bin/sh"));
}

void a_file_others_may_write_is_not_trusted(void **) {
    NEEDS_ROOT();
    const Tree tree;
    for (const mode_t mode : {0775U, 0757U, 0720U}) {
        assert_int_equal(chmod(tree.program.c_str(), mode), 0);
        distrusts(tree.program, Distrust::writable, tree.program);
    }
    assert_int_equal(chmod(tree.program.c_str(), 01777), 0); // sticky means nothing on a file
    distrusts(tree.program, Distrust::writable, tree.program);
}

void a_strangers_file_is_not_trusted(void **) {
    NEEDS_ROOT();
    const Tree tree;
    assert_int_equal(chown(tree.program.c_str(), stranger, 0), 0);
    distrusts(tree.program, Distrust::owner, tree.program);
    trusts(tree.program, tree.program, stranger);
    distrusts(tree.program, Distrust::owner, tree.program, stranger + 1);
}

void a_directory_others_may_write_is_not_trusted(void **) {
    NEEDS_ROOT();
    const Tree tree;
    assert_int_equal(chmod(tree.above.c_str(), 0777), 0);
    distrusts(tree.program, Distrust::writable, tree.above);
    assert_int_equal(chmod(tree.above.c_str(), 0775), 0);
    distrusts(tree.program, Distrust::writable, tree.above);
    assert_int_equal(chmod(tree.above.c_str(), 01777), 0); // as /tmp itself is
    trusts(tree.program, tree.program);
}

void a_strangers_directory_is_not_trusted_even_far_above(void **) {
    NEEDS_ROOT();
    const Tree tree;
    assert_int_equal(chown(tree.top.c_str(), stranger, 0), 0);
    distrusts(tree.program, Distrust::owner, tree.top);
    trusts(tree.program, tree.program, stranger);
}

void a_link_is_judged_by_where_it_leads(void **) {
    NEEDS_ROOT();
    const Tree tree;
    const std::string open_directory = tree.top + "/open";
    assert_int_equal(mkdir(open_directory.c_str(), 0755), 0);
    assert_int_equal(chmod(open_directory.c_str(), 0777), 0);
    const std::string link = tree.above + "/link";
    assert_int_equal(symlink(tree.program.c_str(), (open_directory + "/good").c_str()), 0);
    std::ofstream(open_directory + "/bad") << "bad";
    assert_int_equal(symlink((open_directory + "/bad").c_str(), link.c_str()), 0);
    distrusts(link, Distrust::writable, open_directory);
    // Whoever may replace the link replaces nothing: the resolved path is what is used.
    trusts(open_directory + "/good", tree.program);
}

void what_is_no_file_or_not_there_is_not_trusted(void **) {
    NEEDS_ROOT();
    const Tree tree;
    distrusts(tree.above, Distrust::not_a_file, tree.above);
    distrusts("/dev/null", Distrust::not_a_file, "/dev/null");
    distrusts(tree.above + "/none", Distrust::missing, tree.above + "/none");
    distrusts("", Distrust::missing, "");
}

void what_cannot_be_looked_at_is_not_trusted(void **) {
    NEEDS_ROOT();
    const Tree tree;
    assert_int_equal(chmod(tree.above.c_str(), 0700), 0);
    holds_in_child([&] {
        claim(setresuid(stranger, stranger, stranger) == 0);
        FileTrust trust;
        const Result result = verify_file_trust(tree.program.c_str(), stranger, trust);
        claim(result.step == Step::file_trust && result.error == EACCES && trust.reason == Distrust::missing);
    });
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(roots_own_file_is_trusted),
        cmocka_unit_test(a_file_others_may_write_is_not_trusted),
        cmocka_unit_test(a_strangers_file_is_not_trusted),
        cmocka_unit_test(a_directory_others_may_write_is_not_trusted),
        cmocka_unit_test(a_strangers_directory_is_not_trusted_even_far_above),
        cmocka_unit_test(a_link_is_judged_by_where_it_leads),
        cmocka_unit_test(what_is_no_file_or_not_there_is_not_trusted),
        cmocka_unit_test(what_cannot_be_looked_at_is_not_trusted),
    };
    return cmocka_run_group_tests_name("file trust", tests, nullptr, nullptr);
}
