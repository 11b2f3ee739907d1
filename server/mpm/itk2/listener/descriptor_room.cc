// What it is: counting descriptors, without asking the kernel.
#include "listener/descriptor_room.h"

#include "listener/ending.h"
#include "listener/listener.h"

namespace itk2::listener {
namespace {

constexpr std::uint32_t own_descriptors = 8; // standard ones, channel, epoll, a table on its way

std::uint64_t open_descriptors(const Listener &listener) {
    return own_descriptors + std::uint64_t{listener.connections.count()} + 2 * std::uint64_t{listener.workers.count()} +
           listener.sockets.current.size() + listener.sockets.next.size();
}

} // namespace

bool shed_for_room(Listener &listener) {
    if (!shed_one(listener)) return false;
    listener.master.notice(listener.now, wire::NoticeCode::shed_idle, 1, listener.settings.generation);
    return true;
}

bool make_room(Listener &listener, std::uint32_t descriptors) {
    while (open_descriptors(listener) + descriptors > listener.descriptor_limit)
        if (!shed_for_room(listener)) return false;
    return true;
}

} // namespace itk2::listener
