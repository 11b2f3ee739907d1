// Claims about os/cgroup, on the kernel's own: version 2 where it has the controllers, else version 1. Each test is a
// server of its own, in a child.
#include "every_call.h"

#include "os/cgroup.h"

#include <filesystem>
#include <sstream>

using namespace itk2;
using namespace itk2::os;

namespace {

constexpr Controllers all = memory_controller | cpu_controller | pids_controller;

PoolLimits some_limits() {
    PoolLimits limits;
    limits[Limit::memory] = 64 << 20;
    limits[Limit::cpu] = 50;
    limits[Limit::weight] = 200;
    limits[Limit::processes] = 7;
    return limits;
}

std::string directory(const Cgroups &cgroups, std::size_t controller, const std::string &inner) {
    return std::string(cgroups.place.below[controller].data()) + "/" + cgroups.name.data() + "/" + inner;
}

std::string word_of(const Cgroups &cgroups, std::size_t controller, const PoolName &pool, const char *version_1,
                    const char *version_2) {
    std::ifstream file(directory(cgroups, controller, pool.data()) + "/" +
                       (cgroups.place.is_unified ? version_2 : version_1));
    std::string word;
    file >> word;
    return word;
}

bool is_anywhere(const Cgroups &cgroups) {
    for (const auto &below : cgroups.place.below)
        if (std::filesystem::exists(std::string(below.data()) + "/" + cgroups.name.data())) return true;
    return false;
}

std::string cgroups_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/cgroup");
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// A child that sleeps until it is killed.
pid_t start_sleeper() {
    const pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        for (;;) pause();
    }
    claim(pid > 0, "fork");
    return pid;
}

// Two generations that leave nothing of themselves but an orphan.
pid_t start_orphan(const Cgroups &cgroups, const PoolName &pool) {
    int ends[2];
    claim(pipe(ends) == 0, "pipe");
    const pid_t parent = fork();
    if (parent == 0) {
        if (!enter_pool(cgroups, pool, getpid()).ok()) _exit(1);
        const pid_t orphan = start_sleeper();
        _exit(write(ends[1], &orphan, sizeof orphan) == sizeof orphan ? 0 : 1);
    }
    pid_t orphan = 0;
    int status = 0;
    claim(waitpid(parent, &status, 0) == parent && status == 0, "the orphan's parent");
    claim(read(ends[0], &orphan, sizeof orphan) == sizeof orphan, "read");
    return orphan;
}

bool is_gone(pid_t pid) {
    for (int i = 0; i < 2000; i++) {
        if (kill(pid, 0) != 0 || status_line("State", "/proc/" + std::to_string(pid) + "/status")[0] == 'Z')
            return true;
        usleep(5000);
    }
    return false;
}

template <typename Body> void in_server(Body body) {
    NEEDS_ROOT();
    holds_in_child([&] {
        Cgroups cgroups;
        claim_ok(open_cgroups(all, cgroups));
        const std::string before = cgroups_of(getppid());
        body(cgroups);
        const Cgroups copy = cgroups;
        claim_ok(close_cgroups(cgroups));
        claim(!is_anywhere(copy), "something is left");
        claim(cgroups_of(getpid()) == before, "not back where it was");
    });
}

void limits_are_the_kernels(void **) {
    in_server([](const Cgroups &cgroups) {
        const PoolName pool = pool_name("shop", 3);
        claim_ok(limit_pool(cgroups, pool, some_limits()));
        claim(word_of(cgroups, 0, pool, "memory.limit_in_bytes", "memory.max") == "67108864");
        claim(word_of(cgroups, 1, pool, "cpu.cfs_quota_us", "cpu.max") == "50000");
        claim(word_of(cgroups, 1, pool, "cpu.shares", "cpu.weight") == (cgroups.place.is_unified ? "200" : "2048"));
        claim(word_of(cgroups, 2, pool, "pids.max", "pids.max") == "7");
        claim_ok(remove_pool(cgroups, pool));
    });
}

void changed_limits_are_the_kernels_too(void **) {
    in_server([](const Cgroups &cgroups) {
        const PoolName pool = pool_name("shop", 3);
        PoolLimits limits = some_limits();
        for (const std::uint64_t memory : {64ULL << 20, 32ULL << 20, 128ULL << 20, 0ULL, 16ULL << 20}) {
            limits[Limit::memory] = memory;
            claim_ok(limit_pool(cgroups, pool, limits));
            if (memory != 0)
                claim(word_of(cgroups, 0, pool, "memory.limit_in_bytes", "memory.max") == std::to_string(memory));
        }
        claim_ok(limit_pool(cgroups, pool, {}));
        claim(word_of(cgroups, 2, pool, "pids.max", "pids.max") == "max");
        const std::string none = word_of(cgroups, 1, pool, "cpu.cfs_quota_us", "cpu.max");
        claim(none == (cgroups.place.is_unified ? "max" : "-1"));
    });
}

void the_verifier_misses_what_somebody_else_has_changed(void **) {
    in_server([](const Cgroups &cgroups) {
        const PoolName pool = pool_name("shop", 3);
        claim_ok(limit_pool(cgroups, pool, some_limits()));
        std::ofstream(directory(cgroups, 2, pool.data()) + "/pids.max") << "8";
        claim_step(verify_pool_limits(cgroups, pool, some_limits()), Step::limit_cgroup);
    });
}

void what_a_member_starts_is_in_the_pool_and_within_its_limits(void **) {
    in_server([](const Cgroups &cgroups) {
        const PoolName pool = pool_name("shop", 3);
        claim_ok(limit_pool(cgroups, pool, some_limits()));
        const int status = status_of_child([&] {
            claim_ok(enter_pool(cgroups, pool, getpid()));
            int started = 0;
            for (; started < 20; started++) {
                const pid_t pid = fork();
                if (pid < 0) break;
                if (pid == 0) {
                    alarm(20);
                    for (;;) pause();
                }
                claim_ok(verify_in_pool(cgroups, pool, pid));
            }
            claim(started == 6 && errno == EAGAIN, std::to_string(started));
        });
        claim(status == 0);
        claim_ok(end_pool(cgroups, pool));
        claim_ok(remove_pool(cgroups, pool));
    });
}

void who_is_not_in_the_pool_is_not_said_to_be(void **) {
    in_server([](const Cgroups &cgroups) {
        const PoolName pool = pool_name("shop", 3);
        claim_ok(limit_pool(cgroups, pool, some_limits()));
        claim_step(verify_in_pool(cgroups, pool, getpid()), Step::enter_cgroup);
        claim_step(enter_pool(cgroups, pool_name("nobody", 4), getpid()), Step::enter_cgroup);
    });
}

void memory_beyond_the_limit_is_a_kill_that_is_counted(void **) {
    in_server([](const Cgroups &cgroups) {
        const PoolName pool = pool_name("shop", 3);
        PoolLimits limits;
        limits[Limit::memory] = 16 << 20;
        claim_ok(limit_pool(cgroups, pool, limits));
        claim(memory_kills(cgroups, pool) == 0);
        const int status = status_of_child([&] {
            claim_ok(enter_pool(cgroups, pool, getpid()));
            constexpr std::size_t most = 64 << 20;
            void *memory = mmap(nullptr, most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            memset(memory, 1, most);
        });
        claim(status == 128 + SIGKILL, std::to_string(status));
        claim(memory_kills(cgroups, pool) == 1);
        claim_ok(remove_pool(cgroups, pool));
    });
}

void a_pool_is_not_removed_while_somebody_is_in_it(void **) {
    in_server([](const Cgroups &cgroups) {
        const PoolName pool = pool_name("shop", 3);
        claim_ok(limit_pool(cgroups, pool, some_limits()));
        const pid_t orphan = start_orphan(cgroups, pool);
        claim_step(remove_pool(cgroups, pool), Step::remove_cgroup);
        claim_ok(end_pool(cgroups, pool));
        claim(is_gone(orphan), "the orphan lives");
        claim_ok(remove_pool(cgroups, pool));
    });
}

void nothing_that_a_pool_has_started_survives_the_end(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        Cgroups cgroups;
        claim_ok(open_cgroups(all, cgroups));
        const PoolName pool = pool_name("shop", 3);
        claim_ok(limit_pool(cgroups, pool, some_limits()));
        const pid_t orphan = start_orphan(cgroups, pool);
        claim_ok(close_cgroups(cgroups));
        claim(is_gone(orphan), "the orphan lives");
    });
}

void what_a_killed_server_has_left_is_removed_by_the_next_one(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        int ends[2];
        claim(pipe(ends) == 0, "pipe");
        struct Left {
            Cgroups cgroups;
            pid_t orphan;
        } left;
        const pid_t first = fork();
        if (first == 0) {
            claim_ok(open_cgroups(all, left.cgroups));
            const PoolName pool = pool_name("shop", 3);
            claim_ok(limit_pool(left.cgroups, pool, some_limits()));
            left.orphan = start_orphan(left.cgroups, pool);
            claim(write(ends[1], &left, sizeof left) == sizeof left, "write");
            for (;;) pause();
        }
        claim(read(ends[0], &left, sizeof left) == sizeof left, "read");
        Cgroups second;
        claim_ok(open_cgroups(all, second));
        remove_abandoned_cgroups(second);
        claim(is_anywhere(left.cgroups), "a server that lives has lost its own");
        claim(kill(first, SIGKILL) == 0, "kill");
        siginfo_t ended{};
        claim(waitid(P_PID, static_cast<id_t>(first), &ended, WEXITED | WNOWAIT) == 0, "waitid"); // not reaped yet
        remove_abandoned_cgroups(second);
        claim(!is_anywhere(left.cgroups) && is_gone(left.orphan), "what was left is there still");
        claim(is_anywhere(second), "its own is gone too");
        claim_ok(close_cgroups(second));
        claim(waitpid(first, nullptr, 0) == first);
    });
}

void controllers_can_be_added_to_a_server_that_runs(void **) {
    NEEDS_ROOT();
    holds_in_child([] {
        Cgroups cgroups;
        claim_ok(open_cgroups(pids_controller, cgroups));
        const PoolName pool = pool_name("shop", 3);
        claim_ok(limit_pool(cgroups, pool, some_limits()));
        claim_ok(open_cgroups(memory_controller, cgroups));
        claim(cgroups.controllers == (pids_controller | memory_controller));
        claim_ok(limit_pool(cgroups, pool, some_limits()));
        claim(word_of(cgroups, 0, pool, "memory.limit_in_bytes", "memory.max") == "67108864");
        claim_ok(close_cgroups(cgroups));
    });
}

void without_controllers_nothing_is_made(void **) {
    holds_in_child([] {
        Cgroups cgroups;
        claim_ok(open_cgroups(0, cgroups));
        claim(cgroups.controllers == 0 && cgroups.name[0] == '\0');
        claim_ok(close_cgroups(cgroups));
    });
}

// A member of a pool is limited, or nobody says it is: whichever call fails, or only says that it worked.
void expect_no_pretence(int error) {
    NEEDS_ROOT();
    holds_in_child([error] {
        Cgroups cgroups;
        claim_ok(open_cgroups(all, cgroups));
        int reached = 0;
        for (int nth = 1; nth < 200; nth++) {
            const PoolName pool = pool_name("shop", static_cast<std::uint32_t>(nth));
            const auto body = [&] {
                const Result result = limit_pool(cgroups, pool, some_limits());
                return result.ok() ? enter_pool(cgroups, pool, getpid()) : result;
            };
            const auto judge = [&](pid_t pid) {
                claim_ok(verify_pool_limits(cgroups, pool, some_limits()));
                claim_ok(verify_in_pool(cgroups, pool, pid));
            };
            const auto ended = EveryCall::run(nth, error, body, judge, [](pid_t) {});
            claim_ok(end_pool(cgroups, pool));
            claim_ok(remove_pool(cgroups, pool));
            if (ended == EveryCall::Ended::never_reached) break;
            reached = nth;
        }
        claim(reached > 30, "the calls were not reached");
        claim_ok(close_cgroups(cgroups));
    });
}

void a_call_that_fails_leaves_nobody_in_a_pool_unlimited(void **) { expect_no_pretence(EPERM); }
void a_call_that_only_says_it_worked_leaves_nobody_in_a_pool_unlimited(void **) { expect_no_pretence(0); }

void names_are_not_the_kernels_files_nor_anywhere_else(void **) {
    assert_string_equal(pool_name("shop", 3).data(), "pool-shop-3");
    assert_string_equal(pool_name("#1234", 0).data(), "pool-_1234-0");
    assert_string_equal(pool_name("../a b\n", 1).data(), "pool-.._a_b_-1");
    const std::string longer(200, 'x');
    assert_string_equal(pool_name(longer.c_str(), 4294967295U).data(),
                        ("pool-" + std::string(40, 'x') + "-4294967295").c_str());
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_the_kernels),
        cmocka_unit_test(changed_limits_are_the_kernels_too),
        cmocka_unit_test(the_verifier_misses_what_somebody_else_has_changed),
        cmocka_unit_test(what_a_member_starts_is_in_the_pool_and_within_its_limits),
        cmocka_unit_test(who_is_not_in_the_pool_is_not_said_to_be),
        cmocka_unit_test(memory_beyond_the_limit_is_a_kill_that_is_counted),
        cmocka_unit_test(a_pool_is_not_removed_while_somebody_is_in_it),
        cmocka_unit_test(nothing_that_a_pool_has_started_survives_the_end),
        cmocka_unit_test(what_a_killed_server_has_left_is_removed_by_the_next_one),
        cmocka_unit_test(controllers_can_be_added_to_a_server_that_runs),
        cmocka_unit_test(without_controllers_nothing_is_made),
        cmocka_unit_test(a_call_that_fails_leaves_nobody_in_a_pool_unlimited),
        cmocka_unit_test(a_call_that_only_says_it_worked_leaves_nobody_in_a_pool_unlimited),
        cmocka_unit_test(names_are_not_the_kernels_files_nor_anywhere_else),
    };
    return cmocka_run_group_tests_name("cgroup", tests, nullptr, nullptr);
}
