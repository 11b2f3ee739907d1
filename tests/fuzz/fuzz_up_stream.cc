// Any bytes at all, coming up a pipe in any pieces: the messages are those bytes, in their order, none twice.
#include "wire/channel.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace itk2;
using namespace itk2::wire;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

class Pipe {
  public:
    Pipe() {
        int ends[2];
        require(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
        reading.reset(ends[0]);
        writing.reset(ends[1]);
    }
    void put(ByteView bytes) const {
        require(write(writing.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    }
    os::Fd reading, writing;
};

// Takes out what is whole; how much of `sent` has come out so far.
std::size_t take(UpReader &reader, ByteView sent, std::size_t taken) {
    for (ByteView message = reader.next(); !message.empty(); message = reader.next()) {
        require(message.size() == up_size && taken + up_size <= sent.size());
        require(std::memcmp(message.data(), sent.data() + taken, up_size) == 0);
        taken += up_size;
    }
    return taken;
}

} // namespace

// The first byte says how long the pieces are, the second how many of them come before each look.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (size < 2) return 0;
    const std::size_t piece = data[0] + std::size_t{1};
    const std::size_t pieces_a_look = data[1] % 8 + std::size_t{1};
    const ByteView sent{data + 2, std::min<std::size_t>(size - 2, 4096)};
    const Pipe pipe;
    UpReader reader;
    std::size_t taken = 0;
    for (std::size_t put = 0, pieces = 0; put < sent.size(); pieces++) {
        const std::size_t length = std::min(piece, sent.size() - put);
        pipe.put({sent.data() + put, length});
        put += length;
        if (pieces % pieces_a_look == 0 && reader.fill(pipe.reading.get()).ok()) taken = take(reader, sent, taken);
    }
    while (reader.fill(pipe.reading.get()).ok()) taken = take(reader, sent, taken);
    require(taken == sent.size() / up_size * up_size);
    return 0;
}
