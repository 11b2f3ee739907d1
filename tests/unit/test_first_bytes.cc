// Claims about what plan/first_bytes.h sees in a connection's first bytes.
#include "client_hello_bytes.h"
#include "cmocka_for_cxx.h"

#include "plan/first_bytes.h"

#include <array>
#include <string>

using namespace itk2;
using namespace itk2::plan;
using namespace itk2::testing;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

ByteView view(std::string_view bytes) { return {reinterpret_cast<const std::uint8_t *>(bytes.data()), bytes.size()}; }

FirstBytes look_at(std::string_view bytes) { return look(view(bytes), true); }

void assert_sight(std::string_view bytes, Sight sight) {
    assert_int_equal(static_cast<int>(look_at(bytes).sight), static_cast<int>(sight));
}

void assert_text(std::string_view found, std::string_view expected) {
    assert_string_equal(std::string(found).c_str(), std::string(expected).c_str());
}

void assert_http_host(std::string_view bytes, std::string_view host) {
    const FirstBytes first = look_at(bytes);
    assert_int_equal(static_cast<int>(first.sight), static_cast<int>(Sight::http));
    assert_true(first.has_host);
    assert_text(first.host, host);
}

void assert_http_without_host(std::string_view bytes) {
    const FirstBytes first = look_at(bytes);
    assert_int_equal(static_cast<int>(first.sight), static_cast<int>(Sight::http));
    assert_false(first.has_host);
}

// Every proper beginning is incomplete, so the answer comes with the last byte.
void assert_told_by_last_byte(std::string_view bytes) {
    for (std::size_t length = 0; length < bytes.size(); length++)
        assert_sight({bytes.data(), length}, Sight::incomplete);
    assert_int_not_equal(static_cast<int>(look_at(bytes).sight), static_cast<int>(Sight::incomplete));
}

void host_field_is_found(void **) {
    assert_http_host("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example");
    assert_http_host("GET / HTTP/1.1\r\nAccept: */*\r\nhOsT:a.example:8080\r\n\r\nbody", "a.example:8080");
    assert_http_host("POST /x HTTP/1.0\nHost:\t A.Example. \t\n\n", "A.Example.");
}

void head_in_single_bytes_is_told_by_its_last(void **) {
    assert_told_by_last_byte("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_told_by_last_byte("\r\n\nGET / HTTP/1.0\nHost: a.example\n\n");
}

void assert_head_ends(std::string_view head, std::string_view behind) {
    assert_int_equal(look_at(std::string(head) + std::string(behind)).head_length, head.size());
    assert_int_equal(look_at(head.substr(0, head.size() - 1)).head_length, 0);
}

void head_ends_with_its_blank_line(void **) {
    for (const std::string_view behind : {""sv, "body"sv, "\r\n"sv, "GET / HTTP/1.1\r\nHost: b\r\n\r\n"sv}) {
        assert_head_ends("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", behind);
        assert_head_ends("\r\n\r\nPOST / HTTP/1.0\nContent-Length: 4\n\n", behind);
        assert_head_ends("GET /\r\n", behind);
        assert_head_ends("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", behind);
    }
}

void what_is_cut_off_or_no_head_has_no_end(void **) {
    assert_int_equal(look(view("GET / HTTP/1.1\r\nHost: a\r\n"), false).head_length, 0);
    assert_int_equal(look_at("GET / HTTP/1.1\r\nnot a field\r\n\r\n").head_length, 0);
    assert_int_equal(look_at(records(hello_message(server_name("a.example")))).head_length, 0);
}

void path_is_found_without_query_and_fragment(void **) {
    assert_text(look_at("GET /a/b?c=/d HTTP/1.0\r\n\r\n").path, "/a/b");
    assert_text(look_at("GET /a#b HTTP/1.0\r\n\r\n").path, "/a");
    assert_text(look_at("GET ///a//b HTTP/1.0\r\n\r\n").path, "/a//b");
    assert_text(look_at("OPTIONS * HTTP/1.0\r\n\r\n").path, "*");
}

void absolute_target_overrides_host(void **) {
    assert_http_host("GET http://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n", "b.example");
    assert_http_host("GET HTTP://user:pw@b.example:8080?q HTTP/1.1\r\nHost: a.example\r\n\r\n", "b.example");
    assert_http_host("GET http://[::1]:80/ HTTP/1.1\r\nHost: a.example\r\n\r\n", "[::1]");
    assert_text(look_at("GET http://b.example/x?y HTTP/1.1\r\n\r\n").path, "/x");
}

void absolute_target_overrides_two_hosts(void **) {
    assert_http_host("GET http://b.example/ HTTP/1.1\r\nHost: a\r\nHost: c\r\n\r\n", "b.example");
}

void authority_of_another_scheme_is_ignored(void **) {
    assert_http_host("GET https://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example");
    assert_text(look_at("GET https://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n").path, "/x");
}

void empty_authority_is_a_host_and_empty_field_is_none(void **) {
    assert_http_host("GET http:///x HTTP/1.1\r\nHost: a.example\r\n\r\n", "");
    assert_http_without_host("GET /x HTTP/1.1\r\nHost: \r\n\r\n");
}

void connect_target_is_the_host(void **) {
    assert_http_host("CONNECT b.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n", "b.example");
}

void simple_request_is_whole_at_its_line_end(void **) {
    assert_told_by_last_byte("GET /x\r\n");
    assert_http_without_host("GET /x\r\n");
    assert_text(look_at("GET /x\n").path, "/x");
}

void request_without_host_is_whole_at_its_blank_line(void **) {
    assert_http_without_host("GET /x HTTP/1.0\r\nAccept: x\r\n\r\n");
}

void folded_host_is_found(void **) { assert_http_host("GET / HTTP/1.1\r\nHost:\r\n a.example\r\n\r\n", "a.example"); }

void fold_of_another_field_is_no_host(void **) {
    assert_http_host("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n Host: b\r\n\r\n", "a");
}

void host_in_parts_is_left_to_httpd(void **) {
    assert_sight("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", Sight::other);
    assert_sight("GET / HTTP/1.1\r\nHost: a\r\n b\r\n", Sight::other);
    assert_sight("GET / HTTP/1.1\r\nHost:\r\nX: y\r\nHost: a\r\n", Sight::other);
}

void broken_heads_are_left_to_httpd_at_once(void **) {
    for (const std::string &head :
         {"\x80\x2e"s, " GET"s, "G\x01"s, "GET\r/"s, "GET\r\n"s, "GET / HTTP/1.1 x\r\n"s, "GET / HTTP/0.9\r\n"s,
          "GET / SIP/2.0\r\n"s, "SSH-2.0-x\r\n"s, "GET / HTTP/1.1\r\nX\0"s, "GET / HTTP/1.1\r\nX\r\n"s,
          "GET / HTTP/1.1\r\n: x\r\n"s, "GET / HTTP/1.1\r\nHost : x\r\n"s, "GET / HTTP/1.1\r\n x\r\n"s,
          "GET / HTTP/1.1\r\nX: y\r\n \r\n"s, "GET / HTTP/1.1\r\nX: y\rz"s})
        assert_sight(head, Sight::other);
}

// Lines are read several bytes at a time; a line feed ends them, and is another matter.
template <typename IsRefused>
void assert_refused_in_every_place(std::string head, std::string_view part, IsRefused is_refused) {
    const std::size_t begin = head.find(part);
    for (std::size_t place = begin; place < begin + part.size(); place++) {
        const char before = head[place];
        for (unsigned value = 0; value <= 0xff; value++) {
            head[place] = static_cast<char>(value);
            if (value != '\n') assert_sight(head, is_refused(value) ? Sight::other : Sight::http);
        }
        head[place] = before;
    }
}

void bytes_that_httpd_refuses_are_seen_in_every_place(void **) {
    constexpr std::string_view part = "of-twenty-three-letter"; // and another behind it
    assert_refused_in_every_place("GET / HTTP/1.1\r\nHost: a.example\r\nX: of-twenty-three-letters\r\n\r\n", part,
                                  [](unsigned value) { return value == 0 || (value >= '\v' && value <= '\r'); });
    assert_refused_in_every_place("GET /of-twenty-three-letters HTTP/1.1\r\nHost: a.example\r\n\r\n", part,
                                  [](unsigned value) { return value <= ' ' || value == 0x7f; });
}

void overlong_lines_are_left_to_httpd_at_once(void **) {
    const std::string long_text(17000, 'a');
    assert_sight("GET /" + long_text, Sight::other);
    assert_sight("GET / HTTP/1.1\r\nX: " + long_text, Sight::other);
    assert_sight("GET / HTTP/1.1\r\nX: " + long_text + "\r\nHost: a\r\n\r\n", Sight::other);
    assert_http_host("GET / HTTP/1.1\r\nX: " + std::string(16000, 'a') + "\r\nHost: a\r\n\r\n", "a");
}

void eleventh_blank_line_is_left_to_httpd(void **) {
    std::string blank_lines;
    for (int i = 0; i < 10; i++) blank_lines += "\r\n";
    assert_http_host(blank_lines + "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "a");
    assert_sight(blank_lines + "\r\n", Sight::other);
}

void cut_off_head_yields_what_it_has(void **) {
    const FirstBytes first = look(view("GET /x HTTP/1.1\r\nHost: a.example\r\nX: "), false);
    assert_int_equal(static_cast<int>(first.sight), static_cast<int>(Sight::http));
    assert_text(first.host, "a.example");
    assert_int_equal(static_cast<int>(look(view("GET /x HT"), false).sight), static_cast<int>(Sight::other));
    assert_int_equal(static_cast<int>(look({}, false).sight), static_cast<int>(Sight::other));
}

void proxy_line_is_skipped(void **) {
    for (const std::string &line :
         {"PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n"s, "PROXY TCP6 2001:db8::1 ::1 1 2\r\n"s, "PROXY UNKNOWN\r\n"s,
          "PROXY UNKNOWN anything goes\r\n"s}) {
        const std::string bytes = line + "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_told_by_last_byte(bytes);
        assert_http_host(bytes, "a");
        assert_int_equal(look_at(bytes).proxy_length, line.size());
    }
}

void request_with_method_proxy_is_no_proxy_line(void **) {
    const std::string bytes = "PROXY UNKNOWN HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_http_host(bytes, "a");
    assert_int_equal(look_at(bytes).proxy_length, 0);
    assert_sight("PROXY TCP4 192.0.2.1 192.0.2.2 1234\r\n", Sight::other);
    assert_sight("PROXY TCP4 a.example b.example 1 2\r\n", Sight::other);
    assert_sight("PROXY UNKNOWN " + std::string(100, 'x') + " y z\r\n", Sight::other);
}

void binary_proxy_header_is_skipped(void **) {
    const std::string header = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"s + std::string(12, 'a');
    const std::string bytes = header + "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_told_by_last_byte(bytes);
    assert_http_host(bytes, "a");
    assert_int_equal(look_at(bytes).proxy_length, header.size());
    assert_int_equal(look_at(header + client_hello("a")).proxy_length, header.size());
    assert_sight("\r\n\r\n\0\r\nQUIT\n\x11\x11\0\x0c"s, Sight::other);
}

void tls_is_known_by_its_first_byte(void **) {
    assert_true(look_at("\x16").looks_like_tls);
    assert_true(look_at("PROXY UNKNOWN\r\n\x16").looks_like_tls);
    assert_false(look_at("G").looks_like_tls);
}

void server_name_is_found(void **) {
    const std::string bytes = client_hello("a.example");
    const FirstBytes first = look_at(bytes);
    assert_int_equal(static_cast<int>(first.sight), static_cast<int>(Sight::tls));
    assert_true(first.has_host);
    assert_text(first.host, "a.example");
}

void client_hello_split_into_single_bytes_is_found_whole(void **) {
    assert_told_by_last_byte(client_hello("a.example"));
}

void client_hello_over_several_records_is_found_whole(void **) {
    const std::string message = hello_message(extension(51, std::string(4000, 'k')) + server_name("a.example"));
    const std::string bytes = records(message, 1500);
    assert_told_by_last_byte(bytes);
    assert_text(look_at(bytes).host, "a.example");
}

void large_client_hello_is_found_whole(void **) {
    const std::string keys(60000, 'k');
    const std::string bytes = records(hello_message(extension(51, keys) + server_name("a.example")));
    assert_sight(bytes, Sight::tls);
    assert_text(look_at(bytes).host, "a.example");
    assert_sight(records(hello_message(extension(51, keys)) + keys).substr(0, 60000), Sight::incomplete);
}

void name_split_over_records_is_put_together_in_the_room(void **) {
    for (std::size_t record_length = 1; record_length < 40; record_length++) {
        const std::string bytes = records(hello_message(server_name("a.example")), record_length);
        std::array<char, 255> room;
        const FirstBytes first = look(view(bytes), true, room);
        assert_int_equal(static_cast<int>(first.sight), static_cast<int>(Sight::tls));
        assert_text(first.host, "a.example");
    }
    const std::string bytes = records(hello_message(server_name("a.example")), 1);
    assert_sight(bytes, Sight::tls);
    assert_false(look_at(bytes).has_host);
}

void client_hello_without_a_name_has_no_host(void **) {
    for (const std::string &extensions : {""s, extension(10, "group")}) {
        const FirstBytes first = look_at(records(hello_message(extensions)));
        assert_int_equal(static_cast<int>(first.sight), static_cast<int>(Sight::tls));
        assert_false(first.has_host);
    }
}

void broken_client_hellos_are_left_to_httpd(void **) {
    assert_sight("\x16\x02", Sight::other);
    assert_sight("\x16\x03\x01\xff\xff"s, Sight::other);
    assert_sight("\x16\x03\x01\0\0"s, Sight::other);
    assert_sight(records(hello_message("", 2)).substr(0, 6), Sight::other);
    assert_sight("\x16\x03\x01\0\x04\x01\xff\xff\xff"s, Sight::other);
    assert_sight(records(hello_message(server_name("a\0b"s))), Sight::other);
    assert_sight(records(hello_message(server_name(std::string(256, 'a')))), Sight::other);
    assert_sight(records(hello_message(extension(0, "\0\x05\0\0\x09"s))), Sight::other);
    assert_sight(records(hello_message("\0\x17\0"s)), Sight::other);
    assert_sight(records(hello_message("").substr(0, 20)) + "\x15\x03\x01\0\x02xx"s, Sight::other);
}

void cut_off_client_hello_yields_its_name(void **) {
    const std::string bytes = records(hello_message(server_name("a.example") + extension(51, std::string(9000, 'k'))));
    const FirstBytes first = look(view({bytes.data(), 4096}), false);
    assert_int_equal(static_cast<int>(first.sight), static_cast<int>(Sight::tls));
    assert_text(first.host, "a.example");
    assert_int_equal(static_cast<int>(look(view({bytes.data(), 60}), false).sight), static_cast<int>(Sight::other));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(host_field_is_found),
        cmocka_unit_test(head_in_single_bytes_is_told_by_its_last),
        cmocka_unit_test(head_ends_with_its_blank_line),
        cmocka_unit_test(what_is_cut_off_or_no_head_has_no_end),
        cmocka_unit_test(path_is_found_without_query_and_fragment),
        cmocka_unit_test(absolute_target_overrides_host),
        cmocka_unit_test(absolute_target_overrides_two_hosts),
        cmocka_unit_test(authority_of_another_scheme_is_ignored),
        cmocka_unit_test(empty_authority_is_a_host_and_empty_field_is_none),
        cmocka_unit_test(connect_target_is_the_host),
        cmocka_unit_test(simple_request_is_whole_at_its_line_end),
        cmocka_unit_test(request_without_host_is_whole_at_its_blank_line),
        cmocka_unit_test(folded_host_is_found),
        cmocka_unit_test(fold_of_another_field_is_no_host),
        cmocka_unit_test(host_in_parts_is_left_to_httpd),
        cmocka_unit_test(broken_heads_are_left_to_httpd_at_once),
        cmocka_unit_test(bytes_that_httpd_refuses_are_seen_in_every_place),
        cmocka_unit_test(overlong_lines_are_left_to_httpd_at_once),
        cmocka_unit_test(eleventh_blank_line_is_left_to_httpd),
        cmocka_unit_test(cut_off_head_yields_what_it_has),
        cmocka_unit_test(proxy_line_is_skipped),
        cmocka_unit_test(request_with_method_proxy_is_no_proxy_line),
        cmocka_unit_test(binary_proxy_header_is_skipped),
        cmocka_unit_test(tls_is_known_by_its_first_byte),
        cmocka_unit_test(server_name_is_found),
        cmocka_unit_test(client_hello_split_into_single_bytes_is_found_whole),
        cmocka_unit_test(client_hello_over_several_records_is_found_whole),
        cmocka_unit_test(large_client_hello_is_found_whole),
        cmocka_unit_test(name_split_over_records_is_put_together_in_the_room),
        cmocka_unit_test(client_hello_without_a_name_has_no_host),
        cmocka_unit_test(broken_client_hellos_are_left_to_httpd),
        cmocka_unit_test(cut_off_client_hello_yields_its_name),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
