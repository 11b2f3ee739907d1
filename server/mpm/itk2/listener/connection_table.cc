// What it is: places for connections, taken and given back.
#include "listener/connection_table.h"

#include <algorithm>

namespace itk2::listener {

void ConnectionTable::grow() {
    const std::uint32_t first = size();
    chunks_.push_back(std::make_unique<Chunk>());
    for (std::uint32_t place = first; place < first + chunk_size; place++) {
        Connection &connection = at(place);
        connection.id = {place, 0};
        free_.push_last(connection);
    }
}

Connection &ConnectionTable::add(os::Fd descriptor) {
    if (free_.empty()) grow();
    Connection &connection = *free_.first();
    free_.remove(connection);
    connection.id.use++;
    connection.descriptor = std::move(descriptor);
    connection.state = State::looking;
    connection.watch = Watch::none;
    connection.server_speaks_first = connection.local_known = false;
    connection.saw_bytes = connection.looks_like_tls = connection.half_closed = connection.looks_at_times = false;
    connection.looks = 0;
    connection.returnable = true;
    connection.deadline = connection.queue_deadline = 0;
    connection.counted = connection.bound = connection.answered = false;
    connection.may_move = false;
    connection.hint = plan::no_hint;
    connection.identity = no_identity;
    connection.keepalive_ms = connection.keepalives = 0;
    connection.tries = 0;
    connection.pool = nullptr;
    connection.worker = nullptr;
    count_++;
    return connection;
}

Connection *ConnectionTable::find(ConnectionId id) {
    Connection *connection = find(id.place);
    return connection != nullptr && connection->state != State::none && connection->id == id ? connection : nullptr;
}

void ConnectionTable::remove(Connection &connection) {
    connection.descriptor.reset();
    if (connection.replay != nullptr) free_replays_.emplace_back(connection.replay);
    connection.replay = nullptr;
    connection.state = State::none;
    free_.push_first(connection);
    count_--;
}

void ConnectionTable::remember(Connection &connection, ByteView proxy_header) {
    if (connection.replay != nullptr) return;
    if (proxy_header.size() > wire::max_replay) {
        connection.returnable = false;
        return;
    }
    if (free_replays_.empty()) free_replays_.push_back(std::make_unique<Replay>());
    connection.replay = free_replays_.back().release();
    free_replays_.pop_back();
    connection.replay->length = static_cast<std::uint16_t>(proxy_header.size());
    std::copy(proxy_header.begin(), proxy_header.end(), connection.replay->bytes.begin());
}

} // namespace itk2::listener
