// Claims about the place of a request: which requests are in one, and which are not.
#include "cmocka_for_cxx.h"

#include "plan/hint_key.h"

#include <string>

using namespace itk2;
using namespace itk2::plan;

namespace {

constexpr SipKey secret{1, 2};
constexpr VhostIndex vhost{3};

HintKey key_of(std::string_view host, std::string_view path, HintScope scope = HintScope::place) {
    return hint_key(secret, vhost, scope, {Sight::http, false, 0, !host.empty(), host, path});
}

HintKey tls_key_of(std::string_view name, HintScope scope = HintScope::host) {
    return hint_key(secret, vhost, scope, {Sight::tls, true, 0, !name.empty(), name, ""});
}

void assert_place(std::string_view path, std::string_view place) {
    assert_string_equal(std::string(path_place(path)).c_str(), std::string(place).c_str());
}

void place_is_the_path_up_to_its_last_slash(void **) {
    assert_place("/", "/");
    assert_place("/index.php", "/");
    assert_place("/a/b.html", "/a/");
    assert_place("/a/", "/a/");
    assert_place("/a.b/c.d", "/a.b/");
}

void directory_without_its_slash_is_a_place_of_its_own(void **) {
    assert_place("/a", "/a");
    assert_place("/a/b", "/a/b");
    assert_place("/a.b/c", "/a.b/c");
    assert_place("*", "*");
}

void name_that_may_lead_elsewhere_is_no_file(void **) {
    assert_place("/a/..", "/a/..");
    assert_place("/a/..%2fb.php", "/a/..%2fb.php");
    assert_place("/a/%2e.", "/a/%2e.");
    assert_place("/a/...", "/a/");
    assert_place("/a/../b.php", "/a/../");
}

void files_of_one_place_have_one_key(void **) {
    assert_true(key_of("a.example", "/x/1.php") == key_of("a.example", "/x/2.php"));
    assert_true(key_of("a.example", "/x/1.php") == key_of("a.example", "/x/"));
    assert_true(key_of("a.example", "") == key_of("a.example", "/"));
}

void other_places_have_other_keys(void **) {
    assert_true(key_of("a.example", "/x/") != key_of("a.example", "/y/"));
    assert_true(key_of("a.example", "/x/") != key_of("a.example", "/x/y/"));
    assert_true(key_of("a.example", "/x/") != key_of("a.example", "/X/"));
    assert_true(key_of("a.example", "/x/1.php") != key_of("a.example", "/x/../1.php"));
}

void host_counts_as_httpd_compares_it(void **) {
    assert_true(key_of("a.example", "/") == key_of("A.Example.:8080", "/"));
    assert_true(key_of("[::1]", "/") == key_of("[::1]:80", "/"));
    assert_true(key_of("a.example", "/") != key_of("b.example", "/"));
    assert_true(key_of("a", "/b/") != key_of("a/b", "/"));
    assert_true(key_of("", "/") != key_of(":80", "/"));
}

void path_does_not_count_where_the_host_decides(void **) {
    assert_true(key_of("a.example", "/x/", HintScope::host) == key_of("a.example", "/y/", HintScope::host));
    assert_true(key_of("a.example", "/x/", HintScope::host) != key_of("b.example", "/x/", HintScope::host));
    assert_true(key_of("a.example", "/", HintScope::host) != key_of("a.example", "/", HintScope::place));
}

void tls_connections_are_in_places_of_their_own(void **) {
    assert_true(tls_key_of("a.example") == tls_key_of("A.EXAMPLE"));
    assert_true(tls_key_of("a.example") != tls_key_of("b.example"));
    assert_true(tls_key_of("a.example") != key_of("a.example", "", HintScope::host));
    // Where the path counts, the name tells nothing.
    for (const HintScope scope : {HintScope::place, HintScope::path})
        assert_true(tls_key_of("a.example", scope) == no_hint);
}

void very_path_counts_where_files_have_users(void **) {
    const auto key = [](std::string_view path) {
        return key_of("a.example", path, HintScope::path);
    };
    assert_true(key("/x/1.php") == key("/x/1.php"));
    assert_true(key("/x/1.php") != key("/x/2.php"));
    assert_true(key("/x/") != key_of("a.example", "/x/"));
}

void vhost_and_secret_count(void **) {
    const FirstBytes first{Sight::http, false, 0, true, "a.example", "/"};
    const HintKey key = hint_key(secret, vhost, HintScope::path, first);
    assert_true(hint_key(secret, VhostIndex{4}, HintScope::path, first) != key);
    assert_true(hint_key({1, 3}, vhost, HintScope::path, first) != key);
}

void nothing_is_learnt_where_nothing_is_to_be_or_nothing_is_seen(void **) {
    assert_true(key_of("a.example", "/", HintScope::none) == no_hint);
    assert_true(tls_key_of("a.example", HintScope::none) == no_hint);
    for (const Sight sight : {Sight::other, Sight::incomplete})
        assert_true(hint_key(secret, vhost, HintScope::path, {sight, false, 0, false, "", ""}) == no_hint);
    assert_true(key_of("a.example", "/") != no_hint);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(place_is_the_path_up_to_its_last_slash),
        cmocka_unit_test(directory_without_its_slash_is_a_place_of_its_own),
        cmocka_unit_test(name_that_may_lead_elsewhere_is_no_file),
        cmocka_unit_test(files_of_one_place_have_one_key),
        cmocka_unit_test(other_places_have_other_keys),
        cmocka_unit_test(host_counts_as_httpd_compares_it),
        cmocka_unit_test(path_does_not_count_where_the_host_decides),
        cmocka_unit_test(tls_connections_are_in_places_of_their_own),
        cmocka_unit_test(very_path_counts_where_files_have_users),
        cmocka_unit_test(vhost_and_secret_count),
        cmocka_unit_test(nothing_is_learnt_where_nothing_is_to_be_or_nothing_is_seen),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
