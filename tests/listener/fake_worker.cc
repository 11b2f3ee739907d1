// What it is: the workers' part of fake_master.h.
#include "fake_master.h"

#include "cmocka_for_cxx.h"

#include <poll.h>
#include <sys/socket.h>

namespace itk2::testing {

namespace {

std::optional<Taken> taken_from(wire::Received &received) {
    if (received.bytes[0] != static_cast<std::uint8_t>(wire::Type::connection)) return std::nullopt;
    assert_int_equal(received.descriptor_count, 1);
    const auto message = wire::decode<wire::Connection>(received.view());
    Taken taken;
    taken.id = message.id;
    taken.flags = message.header.flags;
    taken.keepalives = message.keepalives;
    taken.replay.assign(reinterpret_cast<const char *>(message.replay.data()), message.replay_length);
    taken.head_length = message.head_length;
    taken.socket = std::move(received.descriptors[0]);
    return taken;
}

wire::Report made_report(const Taken &taken, wire::Outcome outcome, std::uint16_t flags, std::uint32_t keepalives) {
    wire::Report message;
    message.header.code = static_cast<std::uint8_t>(outcome);
    message.header.flags = flags;
    message.id = taken.id;
    message.keepalives = keepalives;
    return message;
}

} // namespace

void FakeWorker::serving() { assert_true(wire::send_up(channel.up.get(), wire::encode(wire::Serving{})).ok()); }

bool FakeWorker::receive(wire::Received &received) {
    await_readable(channel.down.get());
    const Result result = wire::receive_down(channel.down.get(), received);
    if (!result.ok()) return false;
    assert_true(wire::recognise(received.view(), wire::Peer::listener, wire::Peer::worker).has_value());
    return true;
}

Taken FakeWorker::take() {
    wire::Received received;
    for (;;) {
        if (!receive(received)) fail_msg("the worker's channel has ended");
        if (std::optional<Taken> taken = taken_from(received)) return std::move(*taken);
        assert_int_equal(received.bytes[0], static_cast<int>(wire::Type::hurry));
        hurries++;
    }
}

std::optional<Taken> FakeWorker::take_if_there() {
    wire::Received received;
    while (!has_nothing() && receive(received))
        if (std::optional<Taken> taken = taken_from(received)) return taken;
    return std::nullopt;
}

std::vector<std::uint8_t> FakeWorker::await(wire::Type type) {
    wire::Received received;
    if (!receive(received)) fail_msg("the worker's channel has ended");
    assert_int_equal(received.bytes[0], static_cast<int>(type));
    return {received.bytes.begin(), received.bytes.begin() + static_cast<std::ptrdiff_t>(received.size)};
}

void FakeWorker::await_finish(std::uint8_t code) {
    const auto bytes = await(wire::Type::finish);
    assert_int_equal(wire::decode<wire::Finish>(bytes).header.code, code);
}

void FakeWorker::report(const Taken &taken, wire::Outcome outcome, std::uint16_t flags, std::uint32_t keepalives) {
    const wire::Report message = made_report(taken, outcome, flags, keepalives);
    assert_true(wire::send_up(channel.up.get(), wire::encode(message)).ok());
}

void FakeWorker::try_report(const Taken &taken, wire::Outcome outcome, std::uint16_t flags) {
    (void)wire::send_up(channel.up.get(), wire::encode(made_report(taken, outcome, flags, 0)));
}

void FakeWorker::answer_and_close(Taken &taken, std::string_view answer) {
    send_all(taken.socket.get(), answer);
    assert_int_equal(shutdown(taken.socket.get(), SHUT_WR), 0);
    taken.socket.reset();
    report(taken, wire::Outcome::close);
}

void FakeWorker::answer_and_keep(Taken &taken, std::string_view answer, std::uint32_t keepalives) {
    send_all(taken.socket.get(), answer);
    taken.socket.reset();
    report(taken, wire::Outcome::keep, 0, keepalives);
}

std::string FakeWorker::read_request(const Taken &taken) {
    std::string request;
    while (request.find("\r\n\r\n") == std::string::npos) request += read_exactly(taken.socket.get(), 1);
    return request;
}

bool FakeWorker::has_nothing() {
    pollfd watched{channel.down.get(), POLLIN, 0};
    return poll(&watched, 1, 0) == 0;
}

void FakeWorker::die() { channel = {}; }

} // namespace itk2::testing
