// Any bytes at all, received as a message: recognised only for the pair of peers, and at the size, that the table of
// messages allows.
#include "wire/messages.h"

#include <cstdlib>

using namespace itk2;
using namespace itk2::wire;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

constexpr Peer peers[] = {Peer::master, Peer::listener, Peer::spare, Peer::worker};

void check_connection(ByteView bytes) {
    const auto message = decode<Connection>(bytes);
    require(message.replay_length <= max_replay);
    const ByteView again = encode(message);
    require(again.size() == bytes.size() && std::memcmp(again.data(), bytes.data(), bytes.size()) == 0);
}

void check(ByteView bytes, Peer from, Peer to) {
    const auto type = recognise(bytes, from, to);
    if (!type) return;
    const Spec *spec = spec_of(*type);
    require(spec != nullptr && spec->from == from && spec->to == to && bytes.size() <= spec->size);
    require(bytes[0] == static_cast<std::uint8_t>(*type));
    if (goes_up(*spec)) require(bytes.size() == up_size);
    if (*type == Type::connection)
        check_connection(bytes);
    else
        require(bytes.size() == spec->size);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    for (const Peer from : peers)
        for (const Peer to : peers) check({data, size}, from, to);
    return 0;
}
