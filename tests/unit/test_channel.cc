// Claims about channels and the messages on them.
#include "cmocka_for_cxx.h"

#include "wire/channel.h"
#include "wire/messages.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <vector>

using namespace itk2;
using namespace itk2::wire;

namespace {

struct Channel {
    UpperEnd upper;
    LowerEnd lower;
    Channel() { assert_true(make_channel(upper, lower).ok()); }
};

bool is_recognised(ByteView bytes, Peer from, Peer to, Type type) { return recognise(bytes, from, to) == type; }

ino_t inode_of(int fd) {
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    return status.st_ino;
}

void descriptors_go_down(void **) {
    Channel channel;
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int sent[] = {null, channel.upper.up.get()};
    Worker message;
    message.slot = Slot{7};
    assert_true(send_down(channel.upper.down.get(), encode(message), sent).ok());
    Received received;
    assert_true(receive_down(channel.lower.down.get(), received).ok());
    assert_true(is_recognised(received.view(), Peer::master, Peer::listener, Type::worker));
    assert_int_equal(number(decode<Worker>(received.view()).slot), 7);
    assert_int_equal(received.descriptor_count, 2);
    assert_int_equal(inode_of(received.descriptors[0].get()), inode_of(null));
    assert_true(fcntl(received.descriptors[0].get(), F_GETFD) & FD_CLOEXEC);
    close(null);
}

void a_message_without_room_for_its_descriptors_is_told_of(void **) {
    Channel channel;
    const int sent[] = {channel.upper.up.get(), channel.upper.up.get()};
    Worker message;
    message.slot = Slot{7};
    assert_true(send_down(channel.upper.down.get(), encode(message), sent).ok());
    rlimit before{};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const int next = dup(STDIN_FILENO);
    close(next);
    const rlimit one_more{static_cast<rlim_t>(next) + 1, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &one_more), 0);
    Received received;
    const Result result = receive_down(channel.lower.down.get(), received);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(result.error, EMFILE);
    assert_int_equal(received.descriptor_count, 1);
    assert_true(is_recognised(received.view(), Peer::master, Peer::listener, Type::worker));
}

void the_child_can_send_nothing_down_s_way_up(void **) {
    Channel channel;
    const Finish message;
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const Result result = send_down(channel.lower.down.get(), encode(message), {&null, 1});
    assert_false(result.ok());
    assert_int_equal(result.error, EPIPE);
    close(null);
}

void the_control_of_it_can_where_the_end_is_not_shut(void **) {
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    const Finish message;
    assert_true(send_down(ends[1], encode(message)).ok());
    close(ends[0]);
    close(ends[1]);
}

void end_of_file_is_told_from_failure(void **) {
    Channel channel;
    channel.upper.down.reset();
    Received received;
    assert_int_equal(static_cast<int>(receive_down(channel.lower.down.get(), received).step),
                     static_cast<int>(Step::peer_closed));
    channel.lower.up.reset();
    UpReader reader;
    assert_int_equal(static_cast<int>(reader.fill(channel.upper.up.get()).step), static_cast<int>(Step::peer_closed));
}

void a_peer_that_does_not_read_makes_nobody_wait(void **) {
    Channel channel;
    const Hurry message;
    Result result = success;
    int sent = 0;
    for (; result.ok() && sent < 1'000'000; sent++) result = send_down(channel.upper.down.get(), encode(message));
    assert_int_equal(result.error, EAGAIN);
}

void sending_to_the_dead_is_an_error_not_a_signal(void **) {
    signal(SIGPIPE, SIG_IGN);
    Channel channel;
    channel.lower.down.reset();
    channel.upper.up.reset();
    const Hurry message;
    assert_int_equal(send_down(channel.upper.down.get(), encode(message)).error, EPIPE);
    const Serving serving;
    assert_int_equal(send_up(channel.lower.up.get(), encode(serving)).error, EPIPE);
}

void messages_that_come_in_pieces_are_put_together(void **) {
    Channel channel;
    std::vector<std::uint8_t> bytes;
    constexpr std::uint32_t messages = 100;
    for (std::uint32_t i = 0; i < messages; i++) {
        Want want;
        want.identity = IdentityKey{i};
        want.total = i;
        const ByteView view = encode(want);
        bytes.insert(bytes.end(), view.begin(), view.end());
    }
    UpReader reader;
    std::uint32_t seen = 0;
    std::size_t written = 0;
    for (std::size_t piece = 1; seen < messages; piece = piece % 37 + 1) {
        const std::size_t length = std::min(piece, bytes.size() - written);
        if (length > 0) assert_int_equal(write(channel.lower.up.get(), bytes.data() + written, length), length);
        written += length;
        assert_true(reader.fill(channel.upper.up.get()).ok());
        for (ByteView view = reader.next(); !view.empty(); view = reader.next()) {
            assert_true(is_recognised(view, Peer::listener, Peer::master, Type::want));
            assert_int_equal(decode<Want>(view).total, seen++);
        }
    }
}

void nothing_to_read_is_told_apart(void **) {
    Channel channel;
    UpReader reader;
    assert_int_equal(reader.fill(channel.upper.up.get()).error, EAGAIN);
}

void only_the_named_sender_s_message_is_recognised(void **) {
    for (const Spec &spec : specs) {
        std::vector<std::uint8_t> bytes(spec.size);
        bytes[0] = static_cast<std::uint8_t>(spec.type);
        if (spec.type == Type::connection) bytes.resize(connection_size_without_replay);
        for (const Peer from : {Peer::master, Peer::listener, Peer::spare, Peer::worker})
            for (const Peer to : {Peer::master, Peer::listener, Peer::spare, Peer::worker}) {
                const bool is_named = from == spec.from && to == spec.to;
                assert_int_equal(recognise(bytes, from, to).has_value(), is_named);
            }
    }
}

void a_wrong_size_is_not_recognised(void **) {
    for (const Spec &spec : specs) {
        std::vector<std::uint8_t> bytes(spec.size + 1);
        bytes[0] = static_cast<std::uint8_t>(spec.type);
        assert_false(recognise(bytes, spec.from, spec.to).has_value());
        bytes.resize(spec.size - 1u);
        assert_false(recognise(bytes, spec.from, spec.to).has_value());
    }
    assert_false(recognise({}, Peer::listener, Peer::master).has_value());
}

void a_connection_s_replay_must_fill_the_message(void **) {
    Connection message{};
    message.header.type = Type::connection;
    message.replay_length = 10;
    const ByteView whole = encode(message);
    assert_true(recognise(whole, Peer::listener, Peer::worker).has_value());
    assert_false(recognise(whole.first(whole.size() - 1), Peer::listener, Peer::worker).has_value());
    message.replay_length = max_replay + 1;
    assert_false(
        recognise({reinterpret_cast<const std::uint8_t *>(&message), sizeof message}, Peer::listener, Peer::worker)
            .has_value());
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_go_down),
        cmocka_unit_test(a_message_without_room_for_its_descriptors_is_told_of),
        cmocka_unit_test(the_child_can_send_nothing_down_s_way_up),
        cmocka_unit_test(the_control_of_it_can_where_the_end_is_not_shut),
        cmocka_unit_test(end_of_file_is_told_from_failure),
        cmocka_unit_test(a_peer_that_does_not_read_makes_nobody_wait),
        cmocka_unit_test(sending_to_the_dead_is_an_error_not_a_signal),
        cmocka_unit_test(messages_that_come_in_pieces_are_put_together),
        cmocka_unit_test(nothing_to_read_is_told_apart),
        cmocka_unit_test(only_the_named_sender_s_message_is_recognised),
        cmocka_unit_test(a_wrong_size_is_not_recognised),
        cmocka_unit_test(a_connection_s_replay_must_fill_the_message),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
