// Claims about a close that would wait for the client.
#include "cmocka_for_cxx.h"

#include "listener/close_guard.h"
#include "os/fd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <vector>

using namespace itk2;
using namespace itk2::listener;

namespace {

struct Pair {
    os::Fd ours;
    os::Fd clients;
};

Pair connect_over_tcp() {
    const os::Fd listening(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto *generic = reinterpret_cast<sockaddr *>(&address);
    assert_int_equal(bind(listening.get(), generic, length), 0);
    assert_int_equal(listen(listening.get(), 1), 0);
    assert_int_equal(getsockname(listening.get(), generic, &length), 0);
    Pair pair;
    pair.clients.reset(socket(AF_INET, SOCK_STREAM, 0));
    assert_int_equal(connect(pair.clients.get(), generic, length), 0);
    pair.ours.reset(accept(listening.get(), nullptr, nullptr));
    assert_true(pair.ours.is_open());
    return pair;
}

// More than a client that does not read will ever take.
void fill(int fd) {
    const std::vector<char> bytes(1 << 16, 'x');
    while (send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {}
}

void close_that_waits_for_the_client_is_ended(void **) {
    assert_true(CloseGuard::install().ok());
    CloseGuard guard;
    for (int times = 0; times < 3; times++) {
        Pair pair = connect_over_tcp();
        fill(pair.ours.get());
        const linger wait_long{1, 3600};
        assert_int_equal(setsockopt(pair.ours.get(), SOL_SOCKET, SO_LINGER, &wait_long, sizeof wait_long), 0);
        guard.before_close();
        pair.ours.reset(); // an hour, without the guard
        guard.after_closes();
    }
}

void guard_rests_when_nothing_is_closed(void **) {
    assert_true(CloseGuard::install().ok());
    CloseGuard guard;
    guard.before_close();
    int ticks = 0;
    // A tick interrupts poll; some more come until the guard has seen that nothing was closed, then none.
    while (poll(nullptr, 0, 1000) < 0) {
        ticks++;
        guard.after_closes();
        assert_in_range(ticks, 1, 10);
    }
    assert_true(ticks > 0);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(close_that_waits_for_the_client_is_ended),
        cmocka_unit_test(guard_rests_when_nothing_is_closed),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
