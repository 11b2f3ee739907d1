// Claims about plan/expression_text: what may be looked up as a name, and which expressions are the host's alone.
#include "cmocka_for_cxx.h"

#include "plan/expression_text.h"

#include <string>

using namespace itk2::plan;

namespace {

void says(const std::string &name, NameFault wanted) {
    assert_int_equal(static_cast<int>(fault_of_name(name)), static_cast<int>(wanted));
}

void names_that_can_be_names_are_looked_up(void **) {
    for (const char *name : {"alice", "#1000", "www-data", "a.b", "with space", "j\xc3\xb6rg", "x"})
        says(name, NameFault::none);
    says(std::string(255, 'x'), NameFault::none);
}

void others_are_not(void **) {
    says("", NameFault::empty);
    says(std::string(256, 'x'), NameFault::too_long);
    for (const char *name : {"a\nb", "\x1b[31m", "a\x7f", "\t", "\r"}) says(name, NameFault::control_character);
    says(std::string("a\0b", 3), NameFault::control_character);
}

void host_variables_alone_are_by_host(void **) {
    for (const char *text : {"%{HTTP_HOST}", "%{SERVER_NAME}", "%{HTTP:Host}", "%{req:HOST}",
                             "u-%{http_host}-%{server_name}", "alice", "100%", "%", "}{"})
        assert_true(is_by_host_only(text));
}

void anything_else_is_not(void **) {
    for (const char *text : {"%{REQUEST_URI}", "%{reqenv:ITKUID}", "%{env:X}", "%{osenv:X}", "%{HTTP:Host2}",
                             "%{HTTP:X-Host}", "%{HTTP_HOST", "%{HTTP_HOST}%{REMOTE_ADDR}", "%{tolower:%{HTTP_HOST}}",
                             "$0", "a$1b", "\\$", "%{", "%{:HTTP_HOST}", "%{HTTP_HOST:x}"})
        assert_false(is_by_host_only(text));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(names_that_can_be_names_are_looked_up),
        cmocka_unit_test(others_are_not),
        cmocka_unit_test(host_variables_alone_are_by_host),
        cmocka_unit_test(anything_else_is_not),
    };
    return cmocka_run_group_tests_name("expression text", tests, nullptr, nullptr);
}
