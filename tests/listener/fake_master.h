// What it is: the test in the master's place: starts the real listener program as an account without privilege, sends
// it sockets, tables and workers; and the test in the workers' place.
// The program to test is named by the environment: ITK2_LISTENER.
#pragma once

#include "fake_client.h"

#include "os/memfd.h"
#include "plan/counting.h"
#include "plan/route_table.h"
#include "wire/channel.h"

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace itk2::testing {

inline constexpr std::uint32_t undecided = number(no_identity); // a site's identity that only httpd can tell; parsers'

struct Site {
    std::uint32_t identity = 0;
    const char *host = "";
    std::uint32_t max_clients = 0;
    std::uint32_t keepalive_ms = 600'000;
    plan::HintScope hints = plan::HintScope::none;
};

// A site of which only httpd can tell the identity.
inline Site undecided_site(const char *host, plan::HintScope hints) { return {undecided, host, 0, 600'000, hints}; }

// What connections to 127.0.0.x lead to, whatever name they bring.
struct AddressSite {
    std::uint8_t last;
    std::uint32_t site;
};

enum class Bound : std::uint8_t { to_loopback, to_any, to_any_v6 };

struct Configuration {
    std::vector<Site> sites = {{0, "a.example"}, {1, "b.example"}};
    plan::Settings settings = lasting();
    std::vector<AddressSite> addresses;
    std::vector<plan::Network> networks; // whose connections may move
    bool server_speaks_first = false;
    static constexpr int fitting = -1, none = -2;
    int counters = fitting; // the descriptor that goes with the table; one is made, or there is none

    // Deadlines that no test lives to see.
    static plan::Settings lasting();
};

// A connection as a worker was given it.
struct Taken {
    ConnectionId id;
    std::uint16_t flags = 0;
    std::uint32_t keepalives = 0;
    std::string replay;
    std::size_t head_length = 0;
    os::Fd socket;
};

class FakeWorker {
  public:
    Slot slot{};
    WorkerId id{};
    wire::LowerEnd channel;
    std::uint32_t hurries = 0;

    void serving();
    // The next connection; hurries before it are counted.
    Taken take();
    // A connection, if one is there; other messages before it are thrown away.
    std::optional<Taken> take_if_there();
    // Waits for a message of this type that is no connection.
    std::vector<std::uint8_t> await(wire::Type type);
    void await_finish(std::uint8_t code);
    void report(const Taken &taken, wire::Outcome outcome, std::uint16_t flags = 0, std::uint32_t keepalives = 0);
    // The same to a listener that may have dropped this worker.
    void try_report(const Taken &taken, wire::Outcome outcome, std::uint16_t flags);
    // Answers and shuts down, as a worker does before it reports close.
    void answer_and_close(Taken &taken, std::string_view answer);
    // Answers and keeps.
    void answer_and_keep(Taken &taken, std::string_view answer, std::uint32_t keepalives = 1);
    // Reads what the client has sent, so far as a request goes.
    static std::string read_request(const Taken &taken);
    // Whether nothing is there to take; only after something that came later has been seen.
    bool has_nothing();
    void die();

  private:
    bool receive(wire::Received &received);
};

class FakeMaster {
  public:
    // `descriptor_limit`: RLIMIT_NOFILE of the listener; 0 as is.
    explicit FakeMaster(std::uint32_t descriptor_limit = 0);
    FakeMaster(const FakeMaster &) = delete;
    FakeMaster &operator=(const FakeMaster &) = delete;
    ~FakeMaster();

    // One more listening socket, from the next configuration on; its port.
    std::uint16_t add_socket(Bound bound);
    // Sends the sockets and the table, waits for ready.
    void configure(const Configuration &configuration);
    // The same without waiting.
    void send_configuration(const Configuration &configuration);
    // The same with these bytes as a table.
    void send_table(ByteView bytes, int counters);
    // What the listener counts in, where it was made to fit: how many connections are in this state; how many of a site
    // are busy, and queued.
    void await_held(plan::Held state, std::uint32_t count);
    [[nodiscard]] std::uint32_t busy(std::size_t site) const;
    [[nodiscard]] std::uint32_t queued(std::size_t site) const;
    // `filled`: its channel is full of hurries already; gets their number.
    FakeWorker add_worker(std::uint32_t identity, std::uint32_t *filled = nullptr);
    void gone(FakeWorker &worker);
    // The parser has been granted this identity.
    void identify(const FakeWorker &parser, std::uint32_t identity, std::uint16_t flags = 0);
    template <typename Message> void send(const Message &message) { send_bytes(wire::encode(message)); }

    // The next message of this type that fits; others are kept.
    template <typename Message, typename Fits> Message await(wire::Type type, Fits fits) {
        return wire::decode<Message>(
            await_bytes(type, [&](ByteView bytes) { return fits(wire::decode<Message>(bytes)); }));
    }
    void await_want(std::uint32_t identity, std::uint32_t total);
    void await_notice(wire::NoticeCode code);
    wire::Broken await_broken(const FakeWorker &worker);
    void await_drained();
    // Whether such a message has come; asks the listener for a sign of life first.
    bool has_come(wire::Type type);
    // Waits for the program's end and returns its exit status.
    int await_exit();
    // Ends the channel.
    void close_channel() { channel_.down.reset(); }

    // Of the socket there is from the start.
    [[nodiscard]] std::uint16_t port() const { return sockets_.front().port; }
    [[nodiscard]] pid_t pid() const { return pid_; }
    // Does something that the listener answers after all that was sent before.
    void await_sign_of_life();

  private:
    using Message = std::array<std::uint8_t, wire::up_size>;

    void send_bytes(ByteView bytes, std::span<const int> descriptors = {});
    ByteView await_bytes(wire::Type type, const std::function<bool(ByteView)> &fits);
    void receive();
    [[nodiscard]] std::uint32_t count(std::size_t place) const;

    pid_t pid_ = -1;
    wire::UpperEnd channel_;
    wire::UpReader reader_;
    std::vector<Message> kept_;
    Message found_{};
    struct Socket {
        os::Fd descriptor;
        std::uint16_t port;
    };
    std::vector<Socket> sockets_;
    std::uint32_t generation_ = 0;
    std::uint32_t workers_ = 0;
    Configuration last_;
    os::SharedMapping counters_;
};

// A new worker that has said that it serves.
FakeWorker serving_worker(FakeMaster &master, std::uint32_t identity = 0);

} // namespace itk2::testing
