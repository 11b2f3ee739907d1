// What it is: see memory_need.h.
#include "os/memory_need.h"

#include "os/fd.h"

#include <fcntl.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace itk2::os {

namespace {

constexpr const char *path = "/proc/self/oom_score_adj";
constexpr int greatest = 1000;
constexpr int raise = 100; // in thousandths of all memory

Result read_score(int &score) {
    const Fd file{open(path, O_RDONLY | O_CLOEXEC)};
    if (!file.is_open()) return failed(Step::offer_memory);
    char text[16];
    const ssize_t length = read(file.get(), text, sizeof text - 1);
    if (length <= 0) return failed(Step::offer_memory);
    text[length] = '\0';
    score = static_cast<int>(strtol(text, nullptr, 10));
    return success;
}

} // namespace

Result be_ended_before_parent() {
    int score = 0;
    if (const Result result = read_score(score); !result.ok()) return result;
    score = std::min(score + raise, greatest);
    const Fd file{open(path, O_WRONLY | O_CLOEXEC)};
    if (!file.is_open()) return failed(Step::offer_memory);
    char text[16];
    const int length = snprintf(text, sizeof text, "%d", score);
    if (write(file.get(), text, static_cast<std::size_t>(length)) != length) return failed(Step::offer_memory);
    return verify_offered(score);
}

Result verify_offered(int at_least) {
    int score = 0;
    if (const Result result = read_score(score); !result.ok()) return result;
    return score >= at_least ? success : refused(Step::offer_memory);
}

} // namespace itk2::os
