// What it is: counting descriptors, those of workers to come too, without asking the kernel.
#include "listener/descriptor_room.h"

#include "listener/ending.h"
#include "listener/listener.h"

namespace itk2::listener {
namespace {

constexpr std::uint32_t own_descriptors = 8; // standard ones, channel, epoll, a table on its way
constexpr std::uint32_t descriptors_of_worker = 2;

std::uint64_t open_descriptors(const Listener &listener) {
    const std::uint64_t workers = std::uint64_t{listener.workers.count()} + listener.pools.asked();
    return own_descriptors + std::uint64_t{listener.connections.count()} + descriptors_of_worker * workers +
           listener.sockets.current.size() + listener.sockets.next.size();
}

} // namespace

bool has_plenty_of_room(const Listener &listener) {
    return open_descriptors(listener) * 2 <= listener.descriptor_limit;
}

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

std::uint32_t make_room_for_workers(Listener &listener, std::uint32_t wanted) {
    std::uint32_t count = 0;
    while (count < wanted && make_room(listener, (count + 1) * descriptors_of_worker + reserved_descriptors)) count++;
    return count;
}

void complain_of_room(Listener &listener) {
    listener.master.notice(listener.now, wire::NoticeCode::descriptors_short, listener.descriptor_limit,
                           listener.settings.generation);
}

} // namespace itk2::listener
