// What it is: the listener's way up to the master: messages that must arrive, and notices that may be left out.
// Never blocks: what the pipe does not take is kept, in the order of sending.
#pragma once

#include "base/result.h"
#include "wire/messages.h"

#include <array>
#include <cstdint>
#include <vector>

namespace itk2::listener {

struct Listener;

class MasterLink {
  public:
    static constexpr int orders = 3;  // the socket to receive from
    static constexpr int reports = 4; // the pipe to send to

    // Kept until the pipe takes it.
    template <typename Message> void send(const Message &message) { queue(wire::encode(message)); }
    // At most so many of a kind in a second as the kind may have; shed connections are added up meanwhile.
    void notice(std::uint64_t now, wire::NoticeCode code, std::uint32_t a, Generation generation);

    // The last thing said: why it ends.
    void notice_end(Result result);

    // Sends what is kept. False where the master is gone.
    [[nodiscard]] bool flush();
    [[nodiscard]] bool has_unsent() const { return !unsent_.empty(); }

  private:
    using Bytes = std::array<std::uint8_t, wire::up_size>;
    struct Budget {
        std::uint64_t second = 0;
        std::uint32_t used = 0;
    };

    void queue(ByteView message);

    std::vector<Bytes> unsent_;
    std::array<Budget, 8> budgets_{};
    std::uint32_t shed_ = 0; // since the last notice of it
};

// Tells the master what the pools want now, where that has changed.
void send_wants(Listener &listener);

} // namespace itk2::listener
