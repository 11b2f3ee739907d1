// What it is: see fake_client.h.
#include "fake_client.h"

#include "cmocka_for_cxx.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace itk2::testing {

void assert_text(const std::string &found, std::string_view expected) {
    assert_string_equal(found.c_str(), std::string(expected).c_str());
}

void await_readable(int fd) {
    pollfd watched{fd, POLLIN, 0};
    int ready;
    do ready = poll(&watched, 1, wait_ms);
    while (ready < 0 && errno == EINTR);
    assert_int_equal(ready, 1);
}

std::string read_to_end(int fd, bool *was_reset) {
    std::string all;
    std::array<char, 4096> buffer;
    for (;;) {
        await_readable(fd);
        const ssize_t length = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (length < 0 && errno == EAGAIN) continue;
        if (was_reset != nullptr) *was_reset = length < 0;
        if (length <= 0) return all;
        all.append(buffer.data(), static_cast<std::size_t>(length));
    }
}

std::string read_exactly(int fd, std::size_t length) {
    std::string all;
    while (all.size() < length) {
        await_readable(fd);
        std::string part(length - all.size(), '\0');
        const ssize_t got = recv(fd, part.data(), part.size(), MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) continue;
        assert_true(got > 0);
        all.append(part.data(), static_cast<std::size_t>(got));
    }
    return all;
}

void send_all(int fd, std::string_view bytes) {
    assert_int_equal(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL), bytes.size());
}

std::size_t unread(int fd) {
    int count = 0;
    assert_int_equal(ioctl(fd, FIONREAD, &count), 0);
    return static_cast<std::size_t>(count);
}

FakeClient::FakeClient(std::uint16_t port, std::uint8_t last, std::uint8_t own_last)
    : socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(0x7f000000U | own_last);
    if (own_last != 0)
        assert_int_equal(bind(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address), 0);
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(0x7f000000U | last);
    assert_int_equal(connect(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address), 0);
}

void FakeClient::shut_down() { assert_int_equal(shutdown(socket.get(), SHUT_WR), 0); }

std::string FakeClient::read_rest() {
    bool was_reset = false;
    std::string rest = read_to_end(socket.get(), &was_reset);
    assert_false(was_reset);
    return rest;
}

} // namespace itk2::testing
