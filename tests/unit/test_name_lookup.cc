// Claims about httpd/name_lookup: an account database that hangs, crashes or fails costs a request its deadline at
// most.
#include "cmocka_for_cxx.h"

#include "httpd/name_lookup.h"
#include "os/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

using namespace itk2;
using namespace itk2::httpd;

namespace {

using Outcome = NameAnswer::Outcome;

NameAnswer answer_1000(NameKind, const char *) { return {Outcome::found, 1000, 0}; }
NameAnswer answer_length(NameKind kind, const char *name) {
    return {Outcome::found, static_cast<std::uint32_t>(strlen(name)) + (kind == NameKind::group ? 100U : 0U), 0};
}
NameAnswer answer_unknown(NameKind, const char *) { return {Outcome::unknown, 0, 0}; }
NameAnswer answer_failed(NameKind, const char *) { return {Outcome::failed, 0, EIO}; }
NameAnswer answer_pid(NameKind, const char *) { return {Outcome::found, static_cast<std::uint32_t>(getpid()), 0}; }
NameAnswer hang(NameKind, const char *) {
    signal(SIGTERM, SIG_IGN);
    for (;;) pause();
}
NameAnswer crash(NameKind, const char *) {
    signal(SIGABRT, SIG_DFL);
    abort();
}
NameAnswer answer_open_files(NameKind, const char *) {
    std::uint32_t count = 0;
    for (int fd = 0; fd < 256; fd++)
        if (fcntl(fd, F_GETFD) >= 0) count++;
    return {Outcome::found, count, 0};
}

bool has_children() { return waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD; }

NameAnswer asked(Ask ask, std::uint32_t timeout_ms = 5000) {
    return ask_in_child(ask, NameKind::user, "alice", timeout_ms);
}

void is(const NameAnswer &answer, Outcome outcome, std::uint32_t id = 0) {
    assert_int_equal(static_cast<int>(answer.outcome), static_cast<int>(outcome));
    assert_int_equal(answer.id, id);
}

void the_childs_answer_is_handed_on(void **) {
    is(asked(answer_1000), Outcome::found, 1000);
    is(asked(answer_length), Outcome::found, 5);
    is(ask_in_child(answer_length, NameKind::group, "ab", 5000), Outcome::found, 102);
    is(asked(answer_unknown), Outcome::unknown);
    const NameAnswer failed = asked(answer_failed);
    is(failed, Outcome::failed);
    assert_int_equal(failed.error, EIO);
    assert_false(has_children());
}

void one_that_hangs_ends_at_the_deadline(void **) {
    const std::int64_t before = os::monotonic_ms();
    is(asked(hang, 200), Outcome::too_late);
    const std::int64_t took = os::monotonic_ms() - before;
    assert_true(took >= 200 && took < 2000);
    assert_false(has_children());
}

void one_that_crashes_is_a_failure(void **) {
    is(asked(crash), Outcome::failed);
    assert_false(has_children());
}

void it_holds_no_descriptor_of_its_parents(void **) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    is(asked(answer_open_files), Outcome::found, 1);
    close(ends[0]);
    close(ends[1]);
}

void other_children_are_left_alone(void **) {
    const pid_t other = fork();
    assert_true(other >= 0);
    if (other == 0) _exit(7);
    is(asked(answer_1000), Outcome::found, 1000);
    is(asked(hang, 50), Outcome::too_late);
    int status = 0;
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_int_equal(WEXITSTATUS(status), 7);
}

void ignored_children_signals_do_not_matter(void **) {
    signal(SIGCHLD, SIG_IGN);
    is(asked(answer_1000), Outcome::found, 1000);
    is(asked(hang, 50), Outcome::too_late);
    signal(SIGCHLD, SIG_DFL);
}

void the_real_database_is_asked(void **) {
    is(asked([](NameKind, const char *) { return ask_account_database(NameKind::user, "root"); }), Outcome::found, 0);
    is(ask_account_database(NameKind::group, "root"), Outcome::found, 0);
    is(ask_account_database(NameKind::user, "nobody-has-this-name"), Outcome::unknown);
    is(ask_account_database(NameKind::group, "nobody-has-this-name"), Outcome::unknown);
}

void what_was_answered_is_remembered_for_its_time(void **) {
    static NameCache cache;
    cache = NameCache{};
    const NameAnswer found{Outcome::found, 1000, 0};
    cache.remember(NameKind::user, "alice", found, 100);
    assert_non_null(cache.find(NameKind::user, "alice", 99));
    assert_int_equal(cache.find(NameKind::user, "alice", 99)->id, 1000);
    assert_null(cache.find(NameKind::user, "alice", 100));
    assert_null(cache.find(NameKind::group, "alice", 99));
    assert_null(cache.find(NameKind::user, "alic", 99));
    cache.remember(NameKind::group, "alice", {Outcome::unknown, 0, 0}, 100);
    is(*cache.find(NameKind::group, "alice", 50), Outcome::unknown);
}

void failures_and_long_names_are_not_remembered(void **) {
    static NameCache cache;
    cache = NameCache{};
    const std::string longest(255, 'x');
    const std::string longer(256, 'x');
    cache.remember(NameKind::user, "alice", {Outcome::failed, 0, EIO}, 100);
    cache.remember(NameKind::user, "bob", {Outcome::too_late, 0, 0}, 100);
    cache.remember(NameKind::user, longest.c_str(), {Outcome::found, 1, 0}, 100);
    cache.remember(NameKind::user, longer.c_str(), {Outcome::found, 2, 0}, 100);
    assert_null(cache.find(NameKind::user, "alice", 0));
    assert_null(cache.find(NameKind::user, "bob", 0));
    assert_non_null(cache.find(NameKind::user, longest.c_str(), 0));
    assert_null(cache.find(NameKind::user, longer.c_str(), 0));
}

void however_many_names_come_each_gets_its_own_answer(void **) {
    static NameCache cache;
    cache = NameCache{};
    for (std::uint32_t i = 0; i < 10'000; i++)
        cache.remember(NameKind::user, std::to_string(i).c_str(), {Outcome::found, i, 0}, 100);
    std::uint32_t known = 0;
    for (std::uint32_t i = 0; i < 10'000; i++) {
        const NameAnswer *answer = cache.find(NameKind::user, std::to_string(i).c_str(), 0);
        if (answer == nullptr) continue;
        assert_int_equal(answer->id, i);
        known++;
    }
    assert_true(known > 100 && known <= 256);
}

void a_name_is_asked_once_in_its_time(void **) {
    const LookupLimits limits{5000, 60};
    const NameAnswer first = look_up_name(NameKind::user, "carol", limits, answer_pid);
    is(first, Outcome::found, first.id);
    is(look_up_name(NameKind::user, "carol", limits, answer_pid), Outcome::found, first.id);
    assert_true(look_up_name(NameKind::group, "carol", limits, answer_pid).id != first.id);
    const LookupLimits forgetful{5000, 0};
    const NameAnswer third = look_up_name(NameKind::user, "dave", forgetful, answer_pid);
    assert_true(look_up_name(NameKind::user, "dave", forgetful, answer_pid).id != third.id);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(the_childs_answer_is_handed_on),
        cmocka_unit_test(one_that_hangs_ends_at_the_deadline),
        cmocka_unit_test(one_that_crashes_is_a_failure),
        cmocka_unit_test(it_holds_no_descriptor_of_its_parents),
        cmocka_unit_test(other_children_are_left_alone),
        cmocka_unit_test(ignored_children_signals_do_not_matter),
        cmocka_unit_test(the_real_database_is_asked),
        cmocka_unit_test(what_was_answered_is_remembered_for_its_time),
        cmocka_unit_test(failures_and_long_names_are_not_remembered),
        cmocka_unit_test(however_many_names_come_each_gets_its_own_answer),
        cmocka_unit_test(a_name_is_asked_once_in_its_time),
    };
    return cmocka_run_group_tests_name("name lookup", tests, nullptr, nullptr);
}
