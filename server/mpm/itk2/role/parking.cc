// What it is: a small poll loop over parked connections.
#include "role/parking.h"

#include "httpd/settings.h"

#include <algorithm>
#include <climits>

namespace itk2::role {

void Parked::begin_head(std::int64_t now_ms) {
    if (head_has_begun) return;
    head_has_begun = true;
    deadline_ms = now_ms + httpd::settings().head_timeout_ms;
}

bool Parking::add(Parked parked) {
    if (count_ == capacity) return false;
    parked_[count_++] = parked;
    watched_[others + count_ - 1].revents = 0;
    if (parked.awaits == Awaits::reading) sending_++;
    return true;
}

bool Parking::wait(int channel, int tended, std::int64_t now_ms, std::int64_t until_ms) {
    std::int64_t first = until_ms;
    watched_[0] = {channel, POLLIN, 0};
    watched_[1] = {tended, POLLIN, 0};
    for (std::size_t i = 0; i < count_; i++) {
        const short awaited = parked_[i].awaits == Awaits::reading ? POLLOUT : POLLIN;
        watched_[others + i] = {httpd::descriptor(*parked_[i].client), awaited, 0};
        if (parked_[i].deadline_ms < first) first = parked_[i].deadline_ms;
    }
    const std::int64_t wait_ms = first > now_ms ? first - now_ms : 0;
    const bool ready =
        poll(watched_.data(), others + count_, static_cast<int>(std::min<std::int64_t>(wait_ms, INT_MAX))) > 0;
    channel_is_ready_ = ready && watched_[0].revents != 0;
    return ready;
}

bool Parking::take_ready(Awaits awaited, Parked &parked) {
    for (std::size_t i = 0; i < count_; i++) {
        if (watched_[others + i].revents == 0 || parked_[i].awaits != awaited) continue;
        remove(i, parked);
        return true;
    }
    return false;
}

bool Parking::take_overdue(std::int64_t now_ms, Parked &parked) {
    for (std::size_t i = 0; i < count_; i++) {
        if (parked_[i].deadline_ms > now_ms) continue;
        remove(i, parked);
        return true;
    }
    return false;
}

void Parking::make_overdue(bool reading) {
    for (std::size_t i = 0; i < count_; i++)
        if (reading || parked_[i].awaits == Awaits::request) parked_[i].deadline_ms = 0;
}

void Parking::remove(std::size_t place, Parked &parked) {
    parked = parked_[place];
    if (parked.awaits == Awaits::reading) sending_--;
    count_--;
    parked_[place] = parked_[count_];
    // Keeps what wait() saw with the connection it was seen for.
    watched_[others + place] = watched_[others + count_];
}

} // namespace itk2::role
