// Claims about the route table: what the builder lays out, the view finds; and nothing that is broken opens.
#include "cmocka_for_cxx.h"

#include "plan/route_table.h"
#include "plan/route_table_builder.h"

#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>

using namespace itk2;
using namespace itk2::plan;

namespace {

constexpr Address any_80{{}, 4, 80};
constexpr Address named_80{{192, 0, 2, 1}, 4, 80};

FirstBytes request(std::string_view host, std::string_view path = "/") {
    return {Sight::http, false, 0, !host.empty(), host, path};
}

// A table with `vhost_count` vhosts, whose identities are their numbers times ten.
RouteTableBuilder builder(std::uint32_t vhost_count) {
    RouteTableBuilder made({Generation{7}, 2, 3, 4, 5, 6, 7});
    made.add_socket({80, false, false});
    made.add_socket({443, true, true});
    for (std::uint32_t i = 0; i < vhost_count; i++) made.add_vhost({IdentityKey{i * 10}, i, i + 1});
    return made;
}

// A finished table and its bytes.
struct Table {
    GrowingBytes bytes;
    RouteTable view;

    explicit Table(RouteTableBuilder made) {
        assert_true(made.finish(bytes).ok());
        assert_true(RouteTable::open(bytes.items(), view).ok());
    }
    std::uint32_t vhost(const Address &local, const FirstBytes &first) const {
        const Route route = view.route(local, first);
        assert_int_equal(number(route.identity), number(view.vhosts()[number(route.vhost)].identity));
        return number(route.vhost);
    }
};

// Vhosts 1, 2, 3 by name on port 80: 1 is the default.
void add_named_chain(RouteTableBuilder &made) {
    made.begin_chain(VhostIndex{1});
    made.add_candidate(VhostIndex{1});
    made.add_name("one.example");
    made.add_address_text("*");
    made.add_candidate(VhostIndex{2});
    made.add_name("Two.Example");
    made.add_name("also-two.example");
    made.add_pattern("*.Two.example");
    made.add_pattern("t?o.*");
    made.add_path("/two");
    made.add_address_text("address.example");
    made.add_candidate(VhostIndex{3});
    made.add_name("three.example");
    made.add_name("two.example");
    made.add_name("tzo.exact");
    made.add_name("exact.two.example");
    made.add_pattern("*.example");
    made.add_path("/three/");
    made.add_address_text("address.example");
    made.set_port(80, made.end_chain());
}

void add_one_chain(RouteTableBuilder &made) {
    made.begin_chain(VhostIndex{1});
    made.add_candidate(VhostIndex{1});
    made.add_name("one.example");
    made.set_port(80, made.end_chain());
}

Table named_table() {
    RouteTableBuilder made = builder(4);
    add_named_chain(made);
    return Table(std::move(made));
}

void settings_sockets_and_vhosts_come_back(void **) {
    const Table table = named_table();
    assert_int_equal(number(table.view.settings().generation), 7);
    assert_int_equal(table.view.settings().linger_ms, 7);
    assert_int_equal(table.view.sockets().size(), 2);
    assert_true(table.view.sockets()[1].server_speaks_first);
    assert_false(table.view.sockets()[0].speaks_tls);
    assert_int_equal(table.view.vhosts().size(), 4);
    assert_int_equal(table.view.vhosts()[3].max_clients, 4);
}

void undecided_vhosts_and_networks_come_back(void **) {
    RouteTableBuilder made = builder(1);
    made.add_vhost({no_identity, 1, 2, HintScope::path});
    made.add_network({{192, 0, 2}, 4, 24});
    made.add_network({{0x20, 1, 0xd, 0xb8}, 16, 32});
    add_one_chain(made);
    const Table table(std::move(made));
    assert_true(table.view.vhosts()[0].hints == HintScope::none);
    assert_true(table.view.vhosts()[1].hints == HintScope::path);
    assert_true(table.view.route(any_80, request("one.example")).identity == no_identity);
    assert_int_equal(table.view.networks().size(), 2);
    assert_int_equal(table.view.networks()[0].bytes[2], 2);
    assert_int_equal(table.view.networks()[1].bits, 32);
    assert_int_equal(named_table().view.networks().size(), 0);
}

bool opens_with(VhostEntry vhost, Network network) {
    RouteTableBuilder made = builder(1);
    made.add_vhost(vhost);
    made.add_network(network);
    GrowingBytes bytes;
    assert_true(made.finish(bytes).ok());
    RouteTable table;
    return RouteTable::open(bytes.items(), table).ok();
}

void unknown_hint_scopes_and_unsound_networks_do_not_open(void **) {
    const Network network{{10}, 4, 8};
    assert_true(opens_with({no_identity, 0, 0, HintScope::path}, network));
    assert_false(opens_with({no_identity, 0, 0, static_cast<HintScope>(4)}, network));
    assert_false(opens_with({no_identity, 0, 0, static_cast<HintScope>(255)}, network));
    assert_false(opens_with({}, {{10}, 5, 8}));
    assert_false(opens_with({}, {{10}, 4, 33}));
    assert_false(opens_with({}, {{10}, 16, 129}));
}

void names_are_found_in_any_case(void **) {
    const Table table = named_table();
    assert_int_equal(table.vhost(any_80, request("ONE.example")), 1);
    assert_int_equal(table.vhost(any_80, request("two.EXAMPLE")), 2);
    assert_int_equal(table.vhost(any_80, request("three.example")), 3);
}

void port_and_last_dot_and_brackets_do_not_count(void **) {
    const Table table = named_table();
    assert_int_equal(table.vhost(any_80, request("two.example:8080")), 2);
    assert_int_equal(table.vhost(any_80, request("two.example.")), 2);
    assert_int_equal(table.vhost(any_80, request("two.example.:80")), 2);
    assert_int_equal(table.vhost(any_80, request("three.example..")), 1);
    assert_int_equal(table.vhost(any_80, request("three.example:")), 1);
    assert_int_equal(table.vhost(any_80, request("[two.example]:80")), 2);
}

void first_candidate_with_a_name_has_it(void **) {
    const Table table = named_table();
    assert_int_equal(table.vhost(any_80, request("two.example")), 2);
    // A pattern of an earlier candidate comes before an exact name of a later one.
    assert_int_equal(table.vhost(any_80, request("tzo.exact")), 2);
    assert_int_equal(table.vhost(any_80, request("exact.two.example")), 2);
}

void patterns_match_as_httpd_matches(void **) {
    const Table table = named_table();
    assert_int_equal(table.vhost(any_80, request("a.b.two.example")), 2);
    assert_int_equal(table.vhost(any_80, request(".two.example")), 2);
    assert_int_equal(table.vhost(any_80, request("t-o.anything")), 2);
    assert_int_equal(table.vhost(any_80, request("too.anything")), 2);
    assert_int_equal(table.vhost(any_80, request("to.anything")), 1);
    assert_int_equal(table.vhost(any_80, request("x.example")), 3);
    assert_int_equal(table.vhost(any_80, request("x.example.org")), 1);
}

void several_stars_match_without_missing_a_way(void **) {
    RouteTableBuilder made = builder(2);
    made.begin_chain(VhostIndex{0});
    made.add_candidate(VhostIndex{1});
    made.add_pattern("a*b*?c");
    made.add_pattern("w**w*");
    made.add_pattern("only?");
    made.set_port(80, made.end_chain());
    const Table table(std::move(made));
    assert_int_equal(table.vhost(any_80, request("axbbxbcxc")), 1);
    assert_int_equal(table.vhost(any_80, request("abcc")), 1);
    assert_int_equal(table.vhost(any_80, request("abc")), 0);
    assert_int_equal(table.vhost(any_80, request("axxc")), 0);
    assert_int_equal(table.vhost(any_80, request("ww")), 1);
    assert_int_equal(table.vhost(any_80, request("wxwx")), 1);
    assert_int_equal(table.vhost(any_80, request("w")), 0);
    assert_int_equal(table.vhost(any_80, request("only1x")), 0);
    assert_int_equal(table.vhost(any_80, request("onlyx")), 1);
    assert_int_equal(table.vhost(any_80, request("only")), 0);
}

void address_text_is_the_last_resort_and_its_first_vhost_has_it(void **) {
    RouteTableBuilder made = builder(4);
    made.begin_chain(VhostIndex{1});
    for (std::uint32_t i = 1; i < 4; i++) {
        made.add_candidate(VhostIndex{i});
        if (i > 1) made.add_address_text("address.example");
    }
    made.add_name("192.0.2.1");
    made.set_port(80, made.end_chain());
    const Table table(std::move(made));
    assert_int_equal(table.vhost(any_80, request("address.example")), 2);
    assert_int_equal(table.vhost(any_80, request("192.0.2.1")), 3);
}

void unknown_names_go_to_the_default(void **) {
    const Table table = named_table();
    for (const char *host : {"unknown.org", "1234", ":80", "[::1]", "[", ".", "three.example/"})
        assert_int_equal(table.vhost(any_80, request(host)), 1);
}

void server_path_decides_without_a_host_only(void **) {
    const Table table = named_table();
    assert_int_equal(table.vhost(any_80, request("", "/two")), 2);
    assert_int_equal(table.vhost(any_80, request("", "/two/x")), 2);
    assert_int_equal(table.vhost(any_80, request("", "/twox")), 1);
    assert_int_equal(table.vhost(any_80, request("", "/three/x")), 3);
    assert_int_equal(table.vhost(any_80, request("", "/three")), 1);
    assert_int_equal(table.vhost(any_80, request("", "")), 1);
    assert_int_equal(table.vhost(any_80, request("unknown.org", "/two")), 1);
    FirstBytes tls = request("", "/two");
    tls.sight = Sight::tls;
    assert_int_equal(table.vhost(any_80, tls), 1);
}

void address_and_port_choose_the_chain(void **) {
    RouteTableBuilder made = builder(4);
    add_named_chain(made);
    made.begin_chain(VhostIndex{3});
    const ChainIndex only_three = made.end_chain();
    made.set_address(named_80, only_three);
    made.set_address({{0x20, 1}, 16, 80}, only_three);
    made.set_port(443, only_three);
    const Table table(std::move(made));
    assert_int_equal(table.vhost(named_80, request("two.example")), 3);
    assert_int_equal(table.vhost({{0x20, 1}, 16, 80}, request("two.example")), 3);
    assert_int_equal(table.vhost({{0x20, 1}, 4, 80}, request("two.example")), 2);
    assert_int_equal(table.vhost({{0x20, 2}, 16, 80}, request("two.example")), 2);
    assert_int_equal(table.vhost({{192, 0, 2, 1}, 4, 443}, request("two.example")), 3);
    assert_int_equal(table.vhost({{192, 0, 2, 1}, 4, 8080}, request("two.example")), 0);
    assert_true(table.view.needs_local_address(80));
    assert_false(table.view.needs_local_address(443));
    assert_false(table.view.needs_local_address(8080));
}

void equal_chains_are_one(void **) {
    RouteTableBuilder made = builder(4);
    add_named_chain(made);
    made.begin_chain(VhostIndex{1});
    made.add_candidate(VhostIndex{1});
    made.add_name("one.example");
    const ChainIndex first = made.end_chain();
    made.begin_chain(VhostIndex{1});
    made.add_candidate(VhostIndex{1});
    made.add_name("ONE.example");
    const ChainIndex second = made.end_chain();
    made.begin_chain(VhostIndex{1});
    made.add_candidate(VhostIndex{2});
    made.add_name("one.example");
    const ChainIndex third = made.end_chain();
    assert_int_equal(static_cast<int>(first), static_cast<int>(second));
    assert_int_not_equal(static_cast<int>(first), static_cast<int>(third));
    made.set_address(named_80, first);
    made.set_port(8080, second);
    made.set_address({{192, 0, 2, 1}, 4, 8080}, first);
    const Table table(std::move(made));
    assert_true(table.view.needs_local_address(80));
    assert_false(table.view.needs_local_address(8080));
}

// So that a lookup that scans the names would take over a hundred times as long as this allows.
void ten_thousand_vhosts_are_looked_up_fast(void **) {
    constexpr std::uint32_t count = 10000;
    RouteTableBuilder made = builder(count + 1);
    made.begin_chain(VhostIndex{1});
    for (std::uint32_t i = 1; i <= count; i++) {
        char name[40];
        made.add_candidate(VhostIndex{i});
        std::snprintf(name, sizeof name, "v%u.example", i);
        made.add_name(name);
        std::snprintf(name, sizeof name, "*.v%u.example", i);
        made.add_pattern(name);
    }
    made.set_port(80, made.end_chain());
    const Table table(std::move(made));
    const std::clock_t start = std::clock();
    for (std::uint32_t i = 1; i <= count; i++) {
        char name[40];
        std::snprintf(name, sizeof name, "v%u.example", i);
        assert_int_equal(table.vhost(any_80, request(name)), i);
        std::snprintf(name, sizeof name, "www.v%u.example", i);
        assert_int_equal(table.vhost(any_80, request(name)), i);
    }
    assert_true(std::clock() - start < CLOCKS_PER_SEC);
}

bool opens(const GrowingBytes &bytes, std::size_t length) {
    RouteTable table;
    return RouteTable::open(bytes.items().first(length), table).ok();
}

void cut_off_and_misaligned_tables_do_not_open(void **) {
    Table table = named_table();
    for (std::size_t length = 0; length < table.bytes.size(); length++) assert_false(opens(table.bytes, length));
    GrowingBytes moved;
    moved.add(0);
    moved.add_all(table.bytes.items());
    RouteTable view;
    assert_false(RouteTable::open(moved.items().subspan(1), view).ok());
}

// Whatever single number in it is replaced: it does not open, or every lookup stays inside.
void broken_tables_do_not_open_or_stay_inside(void **) {
    RouteTableBuilder made = builder(4);
    add_named_chain(made);
    made.add_network({{192, 0, 2}, 4, 24});
    Table table(std::move(made));
    const auto bytes = table.bytes.items();
    for (std::size_t place = 0; place + 4 <= bytes.size(); place += 4) {
        for (const std::uint32_t wrong : {0u, 1u, 5u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
            std::uint32_t right;
            std::memcpy(&right, &bytes[place], 4);
            std::memcpy(&bytes[place], &wrong, 4);
            RouteTable view;
            if (RouteTable::open(bytes, view).ok()) {
                for (const char *host : {"", "two.example", "x.y.example", "unknown.org"})
                    assert_true(number(view.route(any_80, request(host, "/two")).vhost) < view.vhosts().size());
                for (const Network &network : view.networks()) assert_true(is_sound(network));
            }
            std::memcpy(&bytes[place], &right, 4);
        }
    }
}

void failed_allocation_is_remembered(void **) {
    GrowingArray<std::uint64_t> array;
    array.add(7);
    assert_null(array.extend(SIZE_MAX / 4));
    assert_true(array.has_failed());
    array.add(8);
    assert_int_equal(array.size(), 1);
    assert_int_equal(array.items()[0], 7);
}

void table_without_vhosts_does_not_open(void **) {
    RouteTableBuilder made{Settings{}};
    GrowingBytes bytes;
    assert_true(made.finish(bytes).ok());
    assert_false(opens(bytes, bytes.size()));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(settings_sockets_and_vhosts_come_back),
        cmocka_unit_test(undecided_vhosts_and_networks_come_back),
        cmocka_unit_test(unknown_hint_scopes_and_unsound_networks_do_not_open),
        cmocka_unit_test(names_are_found_in_any_case),
        cmocka_unit_test(port_and_last_dot_and_brackets_do_not_count),
        cmocka_unit_test(first_candidate_with_a_name_has_it),
        cmocka_unit_test(patterns_match_as_httpd_matches),
        cmocka_unit_test(several_stars_match_without_missing_a_way),
        cmocka_unit_test(address_text_is_the_last_resort_and_its_first_vhost_has_it),
        cmocka_unit_test(unknown_names_go_to_the_default),
        cmocka_unit_test(server_path_decides_without_a_host_only),
        cmocka_unit_test(address_and_port_choose_the_chain),
        cmocka_unit_test(equal_chains_are_one),
        cmocka_unit_test(ten_thousand_vhosts_are_looked_up_fast),
        cmocka_unit_test(cut_off_and_misaligned_tables_do_not_open),
        cmocka_unit_test(broken_tables_do_not_open_or_stay_inside),
        cmocka_unit_test(failed_allocation_is_remembered),
        cmocka_unit_test(table_without_vhosts_does_not_open),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
