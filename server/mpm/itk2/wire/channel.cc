// What it is: the system calls behind a channel.
#include "wire/channel.h"

#include "os/clock.h"
#include "os/waiting.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace itk2::wire {
namespace {

constexpr std::int64_t patience_ms = 1000;

bool set_nonblocking(int fd) {
    const int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

} // namespace

Result make_channel(UpperEnd &upper, LowerEnd &lower) {
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) return failed(Step::make_channel);
    upper.down.reset(sockets[0]);
    lower.down.reset(sockets[1]);
    int pipe_ends[2];
    if (pipe2(pipe_ends, O_CLOEXEC) != 0) return failed(Step::make_channel);
    upper.up.reset(pipe_ends[0]);
    lower.up.reset(pipe_ends[1]);

    // The child's end must not be able to send: what goes up has no descriptors.
    if (shutdown(upper.down.get(), SHUT_RD) != 0) return failed(Step::make_channel);
    if (!set_nonblocking(upper.down.get()) || !set_nonblocking(upper.up.get())) return failed(Step::make_channel);
    return success;
}

Result send_down(int down, ByteView message, std::span<const int> descriptors) {
    iovec part{const_cast<std::uint8_t *>(message.data()), message.size()};
    alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(max_sockets_a_message * sizeof(int))> control;
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (!descriptors.empty()) {
        if (descriptors.size() > max_sockets_a_message) return refused(Step::send_message, EINVAL);
        const std::size_t length = descriptors.size() * sizeof(int);
        std::memset(control.data(), 0, CMSG_SPACE(length));
        header.msg_control = control.data();
        header.msg_controllen = CMSG_SPACE(length);
        cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(length);
        std::memcpy(CMSG_DATA(rights), descriptors.data(), length);
    }
    ssize_t sent;
    do sent = sendmsg(down, &header, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) return failed(Step::send_message);
    return success;
}

Result send_down_patiently(int down, ByteView message, std::span<const int> descriptors) {
    Result result = send_down(down, message, descriptors);
    if (result.error == EAGAIN && os::await(down, POLLOUT, os::monotonic_ms() + patience_ms) > 0)
        result = send_down(down, message, descriptors);
    return result;
}

Result receive_down(int down, Received &received) {
    for (std::size_t i = 0; i < received.descriptor_count; i++) received.descriptors[i].reset();
    received.size = received.descriptor_count = 0;

    iovec part{received.bytes.data(), received.bytes.size()};
    alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(max_sockets_a_message * sizeof(int))> control;
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t length = recvmsg(down, &header, MSG_CMSG_CLOEXEC);
    if (length < 0) return failed(Step::receive_message);

    for (cmsghdr *part_of = CMSG_FIRSTHDR(&header); part_of != nullptr; part_of = CMSG_NXTHDR(&header, part_of)) {
        if (part_of->cmsg_level != SOL_SOCKET || part_of->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (part_of->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; i++) {
            int fd;
            std::memcpy(&fd, CMSG_DATA(part_of) + i * sizeof(int), sizeof fd);
            received.descriptors[received.descriptor_count++].reset(fd);
        }
    }
    if (header.msg_flags & MSG_TRUNC) return refused(Step::protocol);
    if (length == 0) return refused(Step::peer_closed);
    received.size = static_cast<std::size_t>(length);
    if (header.msg_flags & MSG_CTRUNC) return refused(Step::receive_message, EMFILE);
    return success;
}

Result send_up(int up, ByteView message) {
    ssize_t written;
    do written = write(up, message.data(), message.size());
    while (written < 0 && errno == EINTR);
    if (written < 0) return failed(Step::send_message);
    if (static_cast<std::size_t>(written) != message.size()) return refused(Step::send_message, EIO);
    return success;
}

Result UpReader::fill(int up) {
    if (begin_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    const ssize_t length = read(up, buffer_.data() + end_, buffer_.size() - end_);
    if (length < 0) return failed(Step::receive_message);
    if (length == 0) return refused(Step::peer_closed);
    end_ += static_cast<std::size_t>(length);
    return success;
}

ByteView UpReader::next() {
    if (end_ - begin_ < up_size) return {};
    const ByteView message{buffer_.data() + begin_, up_size};
    begin_ += up_size;
    return message;
}

} // namespace itk2::wire
