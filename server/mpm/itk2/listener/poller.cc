// What it is: the system calls behind the poller.
#include "listener/poller.h"

namespace itk2::listener {

Result Poller::open() {
    epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
    return epoll_.is_open() ? success : failed(Step::make_poller);
}

Result Poller::control(int operation, int fd, std::uint32_t events, Token token) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = token.packed();
    return epoll_ctl(epoll_.get(), operation, fd, &event) == 0 ? success : failed(Step::watch_descriptor);
}

void Poller::remove(int fd) {
    epoll_event unused{};
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, &unused);
}

std::span<const epoll_event> Poller::wait(int timeout_ms) {
    const int count = epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()), timeout_ms);
    if (count <= 0) return {};
    return {events_.data(), static_cast<std::size_t>(count)};
}

} // namespace itk2::listener
