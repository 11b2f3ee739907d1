// What it is: the pipe to the master, and what is said on it how often.
#include "listener/master_link.h"

#include "listener/listener.h"

#include <algorithm>
#include <cerrno>
#include <iterator>

namespace itk2::listener {
namespace {

constexpr std::size_t most_unsent_notices = 1000; // the master does not read

// The log has a line per client refused by MaxClientsVHost, as administrators' tools expect it.
constexpr std::uint32_t budget(wire::NoticeCode code) { return code == wire::NoticeCode::max_clients_vhost ? 100 : 1; }

} // namespace

void MasterLink::queue(ByteView message) {
    Bytes bytes;
    std::copy(message.begin(), message.end(), bytes.begin());
    unsent_.push_back(bytes);
}

void MasterLink::notice(std::uint64_t now, wire::NoticeCode code, std::uint32_t a, Generation generation) {
    Budget &used = budgets_[static_cast<std::uint8_t>(code)];
    if (code == wire::NoticeCode::shed_idle) a = shed_ += a;
    if (used.second != now / 1000) used = {now / 1000, 0};
    if (used.used >= budget(code)) return;
    used.used++;
    if (unsent_.size() >= most_unsent_notices) return;
    if (code == wire::NoticeCode::shed_idle) shed_ = 0;
    wire::Notice message;
    message.header.code = static_cast<std::uint8_t>(code);
    message.a = a;
    message.generation = generation;
    send(message);
}

void MasterLink::notice_end(Result result) {
    wire::Notice message;
    message.header.code = static_cast<std::uint8_t>(wire::NoticeCode::ending);
    message.header.flags = static_cast<std::uint16_t>(result.step);
    message.a = static_cast<std::uint32_t>(result.error);
    send(message);
}

bool MasterLink::flush() {
    std::size_t sent = 0;
    bool alive = true;
    for (; sent < unsent_.size(); sent++) {
        const Result result = wire::send_up(reports, unsent_[sent]);
        if (result.ok()) continue;
        alive = result.error == EAGAIN;
        break;
    }
    if (sent > 0) unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(sent));
    return alive;
}

void send_wants(Listener &listener) {
    if (listener.master.has_unsent()) return;
    while (Pool *pool = listener.pools.unsent.first()) {
        listener.pools.unsent.remove(*pool);
        const std::uint32_t total = pool->given + pool->asked;
        if (total == pool->sent_total) continue;
        pool->sent_total = total;
        wire::Want message;
        message.identity = pool->identity;
        message.total = total;
        listener.master.send(message);
    }
}

} // namespace itk2::listener
