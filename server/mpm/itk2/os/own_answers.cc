// What it is: see own_answers.h.
#include "os/own_answers.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>

namespace itk2::os {
namespace {

struct Words {
    const char *status;
    const char *text;
};

constexpr Words words_of(Refusal refusal) {
    if (refusal == Refusal::request_timeout) return {"408 Request Timeout", "The request did not come in time.\n"};
    return {"503 Service Unavailable", "The server is busy. Please try again later.\n"};
}

std::size_t length_of(const char *text) { return std::char_traits<char>::length(text); }

// RFC 9110's date. Not gmtime's: that one reads the machine's time zone file first.
void write_date(std::array<char, 40> &into) {
    static constexpr const char *days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char *months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    using namespace std::chrono;
    const sys_seconds now{seconds{time(nullptr)}};
    const auto today = floor<std::chrono::days>(now);
    const year_month_day date{today};
    const hh_mm_ss<seconds> clock{now - today};
    snprintf(into.data(), into.size(), "%s, %02u %s %04d %02d:%02d:%02d GMT", days[weekday{today}.c_encoding()],
             static_cast<unsigned>(date.day()), months[static_cast<unsigned>(date.month()) - 1],
             static_cast<int>(date.year()), static_cast<int>(clock.hours().count()),
             static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()));
}

} // namespace

ByteView refusal_answer(Refusal refusal, std::uint32_t retry_after_s, RefusalBytes &into) {
    const Words words = words_of(refusal);
    std::array<char, 40> date{};
    write_date(date);
    std::array<char, 32> retry_after{};
    if (refusal == Refusal::unavailable)
        snprintf(retry_after.data(), retry_after.size(), "Retry-After: %u\r\n", retry_after_s);
    const int length = snprintf(into.data(), into.size(),
                                "HTTP/1.1 %s\r\nDate: %s\r\n%sContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                                "Connection: close\r\n\r\n%s",
                                words.status, date.data(), retry_after.data(), length_of(words.text), words.text);
    const auto written = std::clamp<std::size_t>(static_cast<std::size_t>(std::max(length, 0)), 0, into.size() - 1);
    return {reinterpret_cast<const std::uint8_t *>(into.data()), written};
}

} // namespace itk2::os
