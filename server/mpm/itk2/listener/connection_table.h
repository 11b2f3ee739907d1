// What it is: every connection of this listener, by place, and in one list per state where that matters here.
// Memory grows in chunks with the number of open connections and is never given back.
#pragma once

#include "listener/connection.h"

#include <memory>
#include <vector>

namespace itk2::listener {

class ConnectionTable {
  public:
    using StateList = List<Connection, InState>;

    // A connection in state looking, with this descriptor.
    Connection &add(os::Fd descriptor);
    // The connection with this id, or nullptr.
    Connection *find(ConnectionId id);
    Connection *find(std::uint32_t place) { return place < size() ? &at(place) : nullptr; }
    // Its place can be taken again from now on; it is in no list and no timer is armed. Closes the descriptor.
    void remove(Connection &connection);

    [[nodiscard]] std::uint32_t count() const { return count_; }

    // Memory for a PROXY header, until the connection is removed.
    void remember(Connection &connection, ByteView proxy_header);

    StateList waiting;
    StateList idle; // the first one has been idle longest
    StateList lingering;

  private:
    static constexpr std::uint32_t chunk_size = 512;
    struct Chunk {
        std::array<Connection, chunk_size> connections;
    };

    [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(chunks_.size()) * chunk_size; }
    Connection &at(std::uint32_t place) { return chunks_[place / chunk_size]->connections[place % chunk_size]; }
    void grow();

    std::vector<std::unique_ptr<Chunk>> chunks_;
    StateList free_;
    std::vector<std::unique_ptr<Replay>> free_replays_;
    std::uint32_t count_ = 0;
};

} // namespace itk2::listener
