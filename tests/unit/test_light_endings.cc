// Claims about which paths are expected to be light.
#include "cmocka_for_cxx.h"

#include "plan/light_endings.h"

using namespace itk2::plan;

namespace {

void ending_is_what_follows_the_last_dot_of_the_last_part(void **) {
    assert_true(ending_of("/a.b/c.html") == "html");
    assert_true(ending_of("/archive.tar.gz") == "gz");
    assert_true(ending_of("/a.b/c") == "");
    assert_true(ending_of("/a.b/") == "");
    assert_true(ending_of("/index.php/a.html") == "html");
    assert_true(ending_of("") == "");
}

void only_what_was_learnt_is_expected(void **) {
    LightEndings endings;
    assert_false(endings.has("/a.html"));
    assert_false(endings.has("/"));
    endings.learn("/a.html");
    assert_true(endings.has("/other/b.html"));
    assert_false(endings.has("/a.htm"));
    assert_false(endings.has("/"));
    endings.learn("/");
    assert_true(endings.has("/some/folder"));
    endings.forget_all();
    assert_false(endings.has("/a.html"));
}

void long_endings_are_not_learnt(void **) {
    LightEndings endings;
    endings.learn("/a.sixteen-letters-");
    assert_false(endings.has("/a.sixteen-letters-"));
}

void the_one_known_longest_makes_room(void **) {
    LightEndings endings;
    const char *paths[] = {".a", ".b", ".c", ".d", ".e", ".f", ".g", ".h",
                           ".i", ".j", ".k", ".l", ".m", ".n", ".o", ".p"};
    for (const char *path : paths) endings.learn(path);
    for (const char *path : paths) assert_true(endings.has(path));
    endings.learn(".q");
    assert_false(endings.has(".a"));
    assert_true(endings.has(".b"));
    assert_true(endings.has(".q"));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(ending_is_what_follows_the_last_dot_of_the_last_part),
        cmocka_unit_test(only_what_was_learnt_is_expected),
        cmocka_unit_test(long_endings_are_not_learnt),
        cmocka_unit_test(the_one_known_longest_makes_room),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
