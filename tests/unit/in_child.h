// What it is: runs what can't be undone in a forked child, and reports its claims to the test.
// The child never returns to cmocka: it ends at the first claim that doesn't hold.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <string>

// After the streams: cmocka makes a macro of fail().
#include "cmocka_for_cxx.h"

#include "base/result.h"

// Where a claim stands. clang 14 has no std::source_location.
struct Place {
    const char *file;
    int line;
    static constexpr Place here(const char *file = __builtin_FILE(), int line = __builtin_LINE()) {
        return {file, line};
    }
};

inline void claim(bool holds, const std::string &what = "", Place where = Place::here()) {
    if (holds) return;
    dprintf(STDERR_FILENO, "# %s:%d: does not hold %s\n", where.file, where.line, what.c_str());
    _exit(1);
}

// That it failed at this step; none: that it did not fail.
inline void claim_step(itk2::Result result, itk2::Step step, Place where = Place::here()) {
    claim(result.step == step, std::string(step_name(result.step)) + " instead of " + step_name(step), where);
}

inline void claim_ok(itk2::Result result, Place where = Place::here()) { claim_step(result, itk2::Step::none, where); }

// The exit status of a child that ran `body`; 128 and more: the signal that ended it.
template <typename Body> int status_of_child(Body body) {
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        body();
        _exit(0);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) assert_int_equal(errno, EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

template <typename Body> void holds_in_child(Body body) { assert_int_equal(status_of_child(body), 0); }

// A line of a status file without its name, read with nothing of what is tested; "none" where it isn't there.
inline std::string status_line(const std::string &name, const std::string &path = "/proc/self/status") {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        if (line.compare(0, name.size() + 1, name + ":") != 0) continue;
        const std::size_t begin = line.find_first_not_of(" \t", name.size() + 1);
        const std::size_t end = line.find_last_not_of(" \t");
        return begin == std::string::npos ? "" : line.substr(begin, end - begin + 1);
    }
    return "none";
}

// For the first line of a test that only root can run.
#define NEEDS_ROOT()                                \
    do {                                            \
        if (geteuid() != 0) {                       \
            print_message("skipped: needs root\n"); \
            skip();                                 \
        }                                           \
    } while (false)
