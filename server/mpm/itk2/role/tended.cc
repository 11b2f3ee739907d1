// What it is: an epoll set: these wait so often that to ask about each would cost as much as to serve it.
#include "role/tended.h"

#include <sys/epoll.h>

#include <array>

namespace itk2::role {

bool Tended::add(httpd::Client *client, ConnectionId id, std::int64_t now_ms) {
    if (count_ == capacity) return false;
    if (!poller_.is_open()) poller_ = os::Fd(epoll_create1(EPOLL_CLOEXEC));
    std::size_t at = 0;
    while (places_[at].client != nullptr) at++;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = at;
    if (epoll_ctl(poller_.get(), EPOLL_CTL_ADD, httpd::descriptor(*client), &event) != 0) return false;
    places_[at] = {client, id, now_ms, now_ms, false};
    count_++;
    return true;
}

void Tended::look() {
    std::array<epoll_event, capacity> events;
    next_ = 0;
    const int found = is_empty() ? 0 : epoll_wait(poller_.get(), events.data(), capacity, 0);
    for (int i = 0; i < found; i++) places_[events[static_cast<std::size_t>(i)].data.u64].is_ready = true;
}

Tended::Place *Tended::next_ready() {
    while (next_ < capacity) {
        Place &place = places_[next_++];
        if (!place.is_ready) continue;
        place.is_ready = false;
        return &place;
    }
    return nullptr;
}

Tended::Place *Tended::find_silent(std::int64_t before_ms) {
    for (Place &place : places_)
        if (place.client != nullptr && !place.is_ready && place.since_ms < before_ms) return &place;
    return nullptr;
}

Tended::Place *Tended::oldest() {
    Place *found = nullptr;
    for (Place &place : places_)
        if (place.client != nullptr && (found == nullptr || place.begun_ms < found->begun_ms)) found = &place;
    return found;
}

void Tended::remove(Place &place) {
    (void)epoll_ctl(poller_.get(), EPOLL_CTL_DEL, httpd::descriptor(*place.client), nullptr);
    place = {};
    count_--;
}

} // namespace itk2::role
