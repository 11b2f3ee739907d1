// Reads the first bytes of a connection from standard input and tells which of three vhosts they lead to: the number
// of the vhost, or "incomplete", or "other" and the number. The vhosts are those of test_heads.py.
#include "plan/route_table_builder.h"

#include <cstdio>
#include <string>

using namespace itk2;
using namespace itk2::plan;

namespace {

bool make_table(GrowingBytes &bytes) {
    RouteTableBuilder builder{Settings{}};
    for (std::uint32_t i = 0; i <= 3; i++) builder.add_vhost({IdentityKey{i}, 0, 0});
    builder.begin_chain(VhostIndex{1});
    builder.add_candidate(VhostIndex{1});
    builder.add_name("a.example");
    builder.add_candidate(VhostIndex{2});
    builder.add_name("b.example");
    builder.add_candidate(VhostIndex{3});
    builder.add_name("c.example");
    builder.add_path("/c");
    builder.set_port(80, builder.end_chain());
    return builder.finish(bytes).ok();
}

std::string standard_input() {
    std::string text;
    for (int c = std::getchar(); c != EOF; c = std::getchar()) text += static_cast<char>(c);
    return text;
}

} // namespace

int main() {
    GrowingBytes bytes;
    RouteTable table;
    if (!make_table(bytes) || !RouteTable::open(bytes.items(), table).ok()) return 1;
    const std::string head = standard_input();
    const FirstBytes first = look({reinterpret_cast<const std::uint8_t *>(head.data()), head.size()}, true);
    if (first.sight == Sight::incomplete) {
        std::puts("incomplete");
        return 0;
    }
    Address local;
    local.port = 80;
    std::printf("%s%u\n", first.sight == Sight::http ? "" : "other ", number(table.route(local, first).vhost));
    return 0;
}
