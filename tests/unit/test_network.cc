// Claims about networks: which addresses are in one.
#include "cmocka_for_cxx.h"

#include "plan/network.h"

#include <array>
#include <cstdint>

using itk2::plan::holds;
using itk2::plan::is_sound;
using itk2::plan::Network;

namespace {

using V4 = std::array<std::uint8_t, 4>;
using V6 = std::array<std::uint8_t, 16>;

constexpr V6 documentation{0x20, 0x01, 0x0d, 0xb8, 0, 1};

void whole_address_holds_itself_only(void **) {
    const Network network{{192, 0, 2, 7}, 4, 32};
    assert_true(holds(network, V4{192, 0, 2, 7}));
    assert_false(holds(network, V4{192, 0, 2, 6}));
    assert_false(holds(network, V4{193, 0, 2, 7}));
}

void only_the_bits_named_count(void **) {
    const Network network{{10, 20, 0xb0, 0xff}, 4, 20};
    assert_true(holds(network, V4{10, 20, 0xb0, 0}));
    assert_true(holds(network, V4{10, 20, 0xbf, 0xff}));
    assert_false(holds(network, V4{10, 20, 0xc0, 0}));
    assert_false(holds(network, V4{10, 21, 0xb0, 0}));
}

void no_bits_hold_every_address_of_the_family(void **) {
    const Network all{{}, 4, 0};
    assert_true(holds(all, V4{255, 255, 255, 255}));
    assert_false(holds(all, V6{}));
}

void v6_is_compared_over_its_whole_length(void **) {
    const Network network{documentation, 16, 47};
    V6 address = documentation;
    assert_true(holds(network, address));
    address[15] = 1;
    assert_true(holds(network, address));
    address[5] = 0;
    assert_true(holds(network, address));
    address[5] = 2;
    assert_false(holds(network, address));
    const Network one{documentation, 16, 128};
    assert_true(holds(one, documentation));
    address = documentation;
    address[15] = 1;
    assert_false(holds(one, address));
}

void address_of_no_family_is_in_no_network(void **) {
    const Network all{{}, 4, 0};
    assert_false(holds(all, {}));
    assert_false(holds(all, std::array<std::uint8_t, 5>{}));
}

void network_of_too_many_bits_or_another_length_is_unsound(void **) {
    assert_true(is_sound({{}, 4, 32}));
    assert_true(is_sound({{}, 16, 128}));
    assert_true(is_sound({{}, 4, 0}));
    assert_false(is_sound({{}, 4, 33}));
    assert_false(is_sound({{}, 16, 129}));
    assert_false(is_sound({{}, 0, 0}));
    assert_false(is_sound({{}, 17, 1}));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(whole_address_holds_itself_only),
        cmocka_unit_test(only_the_bits_named_count),
        cmocka_unit_test(no_bits_hold_every_address_of_the_family),
        cmocka_unit_test(v6_is_compared_over_its_whole_length),
        cmocka_unit_test(address_of_no_family_is_in_no_network),
        cmocka_unit_test(network_of_too_many_bits_or_another_length_is_unsound),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
