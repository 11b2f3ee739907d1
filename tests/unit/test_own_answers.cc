// Claims about the bytes of answers that are not httpd's.
#include "cmocka_for_cxx.h"

#include "os/own_answers.h"

#include <ctime>
#include <string>

using namespace itk2;
using namespace itk2::os;

namespace {

std::string answer(Refusal refusal) {
    RefusalBytes buffer;
    const ByteView bytes = refusal_answer(refusal, 7, buffer);
    return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

std::string field(const std::string &text, const std::string &name) {
    const std::size_t start = text.find("\r\n" + name + ": ");
    assert_true(start != std::string::npos);
    const std::size_t value = start + name.size() + 4;
    return text.substr(value, text.find("\r\n", value) - value);
}

void answers_are_whole_and_close_the_connection(void **) {
    for (const Refusal refusal : {Refusal::request_timeout, Refusal::unavailable}) {
        const std::string text = answer(refusal);
        assert_string_equal(field(text, "Connection").c_str(), "close");
        const std::size_t head = text.find("\r\n\r\n");
        assert_true(head != std::string::npos);
        assert_int_equal(std::stoul(field(text, "Content-Length")), text.size() - head - 4);
    }
}

void only_unavailable_asks_to_come_again(void **) {
    assert_string_equal(field(answer(Refusal::unavailable), "Retry-After").c_str(), "7");
    assert_true(answer(Refusal::request_timeout).find("Retry-After") == std::string::npos);
}

void date_is_now_in_gmt(void **) {
    const auto formatted = [](time_t when) {
        char text[64];
        tm utc{};
        gmtime_r(&when, &utc);
        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
        return std::string(text);
    };
    // The second may change in between: it is one of those that went by.
    const time_t before = time(nullptr);
    const std::string date = field(answer(Refusal::unavailable), "Date");
    const time_t after = time(nullptr);
    bool is_one = false;
    for (time_t when = before; when <= after + 1; when++) is_one = is_one || formatted(when) == date;
    assert_true(is_one);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_whole_and_close_the_connection),
        cmocka_unit_test(only_unavailable_asks_to_come_again),
        cmocka_unit_test(date_is_now_in_gmt),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
