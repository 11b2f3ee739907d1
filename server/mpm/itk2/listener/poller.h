// What it is: the one epoll instance, and the tokens by which its events are told apart.
// A token names its object with the count of its uses, so an event of one that has gone is recognised.
#pragma once

#include "base/result.h"
#include "os/fd.h"

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <span>

namespace itk2::listener {

enum class Watched : std::uint8_t { master_orders, master_reports, socket, connection, worker };

struct Token {
    Watched what;
    std::uint32_t place = 0;
    std::uint32_t use = 0; // compared by its low 24 bits

    static constexpr std::uint32_t use_mask = 0xffffff;

    [[nodiscard]] std::uint64_t packed() const {
        return std::uint64_t{static_cast<std::uint8_t>(what)} << 56 | std::uint64_t{use & use_mask} << 32 | place;
    }
    static Token unpack(std::uint64_t packed) {
        return {static_cast<Watched>(packed >> 56), static_cast<std::uint32_t>(packed),
                static_cast<std::uint32_t>(packed >> 32) & use_mask};
    }
    [[nodiscard]] bool is_use(std::uint32_t other) const { return use == (other & use_mask); }
};

class Poller {
  public:
    Result open();
    // errno of a failure: ENOMEM, ENOSPC.
    Result add(int fd, std::uint32_t events, Token token) { return control(EPOLL_CTL_ADD, fd, events, token); }
    Result change(int fd, std::uint32_t events, Token token) { return control(EPOLL_CTL_MOD, fd, events, token); }
    // Before the descriptor is closed: the open file lives on while another process holds it.
    void remove(int fd);
    // The events that are there; an empty span after timeout_ms or a signal.
    std::span<const epoll_event> wait(int timeout_ms);

  private:
    Result control(int operation, int fd, std::uint32_t events, Token token);

    os::Fd epoll_;
    std::array<epoll_event, 128> events_;
};

} // namespace itk2::listener
