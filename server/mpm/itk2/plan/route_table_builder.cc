// What it is: lays out the route table's bytes.
#include "plan/route_table_builder.h"

#include "base/ascii.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>

namespace itk2::plan {
namespace {

std::uint32_t hash_of(std::string_view text) {
    std::uint32_t hash = empty_hash;
    for (std::size_t i = text.size(); i-- > 0;) hash = hash_before(text[i], hash);
    return hash;
}

std::string_view text_of(ByteView bytes) { return {reinterpret_cast<const char *>(bytes.data()), bytes.size()}; }

template <typename T> std::size_t append_room(GrowingBytes &table, std::size_t count) {
    static_assert(sizeof(T) % 4 == 0);
    const std::size_t start = table.size();
    table.extend(count * sizeof(T));
    return start;
}

void pad(GrowingBytes &table) { table.extend(-table.size() % 4); }

} // namespace

RouteTableBuilder::RouteTableBuilder(const Settings &settings) : settings_(settings) {
    append_room<TableHead>(table_, 1);
}

void RouteTableBuilder::begin_chain(VhostIndex default_vhost) {
    default_vhost_ = default_vhost;
    candidates_.shrink(0);
    entries_.shrink(0);
    texts_.shrink(0);
}

void RouteTableBuilder::add_entry(Kind kind, std::string_view text, bool ignores_case) {
    const auto offset = static_cast<std::uint32_t>(texts_.size());
    const auto position = static_cast<std::uint32_t>(candidates_.size() - 1);
    for (const char c : text) texts_.add(static_cast<std::uint8_t>(ignores_case ? lower_case(c) : c));
    entries_.add({kind, position, {offset, static_cast<std::uint32_t>(text.size())}});
}

void RouteTableBuilder::add_name(std::string_view name) { add_entry(Kind::name, name, true); }

void RouteTableBuilder::add_pattern(std::string_view pattern) {
    const bool is_suffix = pattern.starts_with("*.") && pattern.find_first_of("*?", 1) == std::string_view::npos;
    if (is_suffix) pattern.remove_prefix(1);
    add_entry(is_suffix ? Kind::suffix : Kind::pattern, pattern, true);
}

void RouteTableBuilder::add_address_text(std::string_view text) { add_entry(Kind::address_text, text, true); }

void RouteTableBuilder::add_path(std::string_view path) { add_entry(Kind::path, path, false); }

ChainIndex RouteTableBuilder::end_chain() {
    const std::size_t start = table_.size();
    lay_out_chain(start);
    if (has_failed()) return ChainIndex{0};

    const std::span<std::uint8_t> bytes = table_.items();
    const auto made = bytes.subspan(start);
    const std::uint32_t hash = hash_of(text_of(made));
    for (std::uint32_t i = 0; i < chains_.size(); i++) {
        const Known &known = chains_.items()[i];
        if (known.hash != hash || known.chain.size != made.size()) continue;
        if (!std::equal(made.begin(), made.end(), bytes.begin() + known.chain.offset)) continue;
        table_.shrink(start);
        return ChainIndex{i};
    }
    chains_.add({hash, {static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(made.size())}});
    return ChainIndex{static_cast<std::uint32_t>(chains_.size() - 1)};
}

void RouteTableBuilder::lay_out_chain(std::size_t chain_start) {
    const auto offset = [&] {
        return static_cast<std::uint32_t>(table_.size() - chain_start);
    };
    append_room<ChainHead>(table_, 1);
    ChainHead head{};
    head.default_vhost = number(default_vhost_);
    head.candidates = {offset(), static_cast<std::uint32_t>(candidates_.size())};
    append(candidates_);

    const std::uint32_t texts_offset = offset();
    append(texts_);
    pad(table_);
    for (Entry &entry : entries_.items()) entry.text.offset += texts_offset;

    head.names = lay_out_slots(chain_start, Kind::name);
    head.suffixes = lay_out_slots(chain_start, Kind::suffix);
    head.address_texts = lay_out_slots(chain_start, Kind::address_text);
    head.patterns = lay_out_items(chain_start, Kind::pattern);
    head.paths = lay_out_items(chain_start, Kind::path);
    if (!has_failed()) std::memcpy(table_.items().data() + chain_start, &head, sizeof head);
}

std::uint32_t RouteTableBuilder::count_of(Kind kind) const {
    const auto entries = entries_.items();
    return static_cast<std::uint32_t>(
        std::count_if(entries.begin(), entries.end(), [kind](const Entry &entry) { return entry.kind == kind; }));
}

// A text's first candidate stands for it: later ones never get a request by it.
ChainRun RouteTableBuilder::lay_out_slots(std::size_t chain_start, Kind kind) {
    const std::uint32_t texts = count_of(kind);
    const std::uint32_t count = texts == 0 ? 0 : std::bit_ceil(texts * 2); // half of them stay free
    const std::size_t start = append_room<ChainSlot>(table_, count);
    if (has_failed()) return {};
    const std::span<ChainSlot> slots{reinterpret_cast<ChainSlot *>(table_.items().data() + start), count};
    for (ChainSlot &slot : slots) slot.position = no_position;

    const ByteView chain{table_.items().data() + chain_start, table_.size() - chain_start};
    const auto text_at = [chain](ChainText text) {
        return text_of(chain.subspan(text.offset, text.length));
    };
    for (const Entry &entry : entries_.items()) {
        if (entry.kind != kind) continue;
        const std::uint32_t hash = hash_of(text_at(entry.text));
        std::uint32_t place = hash & (count - 1);
        while (slots[place].position != no_position && text_at(slots[place].text) != text_at(entry.text))
            place = (place + 1) & (count - 1);
        if (slots[place].position == no_position) slots[place] = {hash, entry.position, entry.text};
    }
    return {static_cast<std::uint32_t>(start - chain_start), count};
}

ChainRun RouteTableBuilder::lay_out_items(std::size_t chain_start, Kind kind) {
    const std::uint32_t count = count_of(kind);
    const std::size_t start = append_room<ChainItem>(table_, count);
    if (has_failed()) return {};
    const std::span<ChainItem> items{reinterpret_cast<ChainItem *>(table_.items().data() + start), count};
    std::size_t place = 0;
    for (const Entry &entry : entries_.items())
        if (entry.kind == kind) items[place++] = {entry.position, entry.text};
    return {static_cast<std::uint32_t>(start - chain_start), count};
}

void RouteTableBuilder::set_port(std::uint16_t port, ChainIndex any_address) {
    ports_.add({port, 0, static_cast<std::uint32_t>(any_address)});
}

void RouteTableBuilder::set_address(const Address &local, ChainIndex chain) {
    addresses_.add(table_address(local, static_cast<std::uint32_t>(chain)));
}

void RouteTableBuilder::sort() {
    const auto ports = ports_.items();
    const auto addresses = addresses_.items();
    std::sort(ports.begin(), ports.end(), [](const TablePort &a, const TablePort &b) { return a.port < b.port; });
    std::sort(addresses.begin(), addresses.end(), comes_before);
    for (TablePort &port : ports)
        port.needs_local_address =
            std::any_of(addresses.begin(), addresses.end(), [&port](const TableAddress &address) {
                return address.port == port.port && address.chain != port.chain;
            });
}

template <typename T> TableRun RouteTableBuilder::append(const GrowingArray<T> &items) {
    const auto offset = static_cast<std::uint32_t>(table_.size());
    const auto bytes = items.items();
    table_.add_all({reinterpret_cast<const std::uint8_t *>(bytes.data()), bytes.size_bytes()});
    return {offset, static_cast<std::uint32_t>(bytes.size())};
}

bool RouteTableBuilder::has_failed() const {
    return table_.has_failed() || sockets_.has_failed() || vhosts_.has_failed() || chains_.has_failed() ||
           ports_.has_failed() || addresses_.has_failed() || networks_.has_failed() || candidates_.has_failed() ||
           entries_.has_failed() || texts_.has_failed() || table_.size() > UINT32_MAX;
}

Result RouteTableBuilder::finish(GrowingBytes &table) {
    sort();
    TableHead head{table_magic, table_version, 0, settings_, {}, {}, {}, {}, {}, {}};
    GrowingArray<TableChain> chains;
    for (const Known &known : chains_.items()) chains.add(known.chain);
    head.sockets = append(sockets_);
    head.vhosts = append(vhosts_);
    head.chains = append(chains);
    head.ports = append(ports_);
    head.addresses = append(addresses_);
    head.networks = append(networks_); // the last: what comes after them would not be aligned
    if (has_failed() || chains.has_failed()) return refused(Step::map_memory, ENOMEM);
    head.size = static_cast<std::uint32_t>(table_.size());
    std::memcpy(table_.items().data(), &head, sizeof head);
    table = std::move(table_);
    return success;
}

} // namespace itk2::plan
