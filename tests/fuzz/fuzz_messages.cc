// Any bytes at all, received as a message: recognised only for the pair of peers, and at the size, that the table of
// messages allows.
#include "requiring.h"

#include "wire/messages.h"

using namespace itk2;
using namespace itk2::testing;
using namespace itk2::wire;

namespace {

constexpr Peer peers[] = {Peer::master,   Peer::listener, Peer::spare, Peer::parser,
                          Peer::resolver, Peer::worker,   Peer::scribe};

// Of messages that are sent only as far as they are full.
template <typename Message> Message check_again(ByteView bytes) {
    const auto message = decode<Message>(bytes);
    const ByteView again = encode(message);
    require(again.size() == bytes.size() && std::memcmp(again.data(), bytes.data(), bytes.size()) == 0);
    return message;
}

void check(ByteView bytes, Peer from, Peer to) {
    const auto type = recognise(bytes, from, to);
    if (!type) return;
    const Spec *spec = spec_of(*type);
    require(spec != nullptr && spec->from == from && spec->to == to && bytes.size() <= spec->size);
    require(bytes[0] == static_cast<std::uint8_t>(*type));
    if (goes_up(*spec)) require(bytes.size() == up_size || *type == Type::found);
    if (*type == Type::connection)
        require(check_again<Connection>(bytes).replay_length <= max_replay);
    else if (*type == Type::grant)
        require(check_again<Grant>(bytes).group_count <= Grant::max_groups);
    else
        require(bytes.size() == spec->size);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    for (const Peer from : peers)
        for (const Peer to : peers) check({data, size}, from, to);
    return 0;
}
