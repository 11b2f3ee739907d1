// What it is: the one check every received message passes.
// Distrusts: all bytes.
#include "wire/messages.h"

#include <cstddef>

namespace itk2::wire {
namespace {

bool is_right_grant(ByteView bytes) {
    if (bytes.size() < grant_size_without_groups || bytes.size() > sizeof(Grant)) return false;
    const auto message = decode<Grant>(bytes);
    return message.group_count <= Grant::max_groups &&
           bytes.size() == grant_size_without_groups + message.group_count * sizeof(std::uint32_t);
}

bool has_right_size(const Spec &spec, ByteView bytes) {
    if (spec.type == Type::grant) return is_right_grant(bytes);
    if (spec.type != Type::connection) return bytes.size() == spec.size;
    if (bytes.size() < connection_size_without_replay || bytes.size() > sizeof(Connection)) return false;
    const auto message = decode<Connection>(bytes);
    return message.replay_length <= max_replay &&
           bytes.size() == connection_size_without_replay + message.replay_length;
}

} // namespace

std::optional<Type> recognise(ByteView bytes, Peer from, Peer to) {
    if (bytes.size() < sizeof(Header)) return std::nullopt;
    const Spec *spec = spec_of(static_cast<Type>(bytes[offsetof(Header, type)]));
    if (spec == nullptr || spec->from != from || spec->to != to || !has_right_size(*spec, bytes)) return std::nullopt;
    return spec->type;
}

} // namespace itk2::wire
