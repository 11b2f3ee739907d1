// Any bytes at all, coming up a pipe in any pieces: the messages are those bytes, in their order, none twice.
#include "requiring.h"

#include "wire/channel.h"

#include <algorithm>
#include <cstring>

using namespace itk2;
using namespace itk2::testing;
using namespace itk2::wire;

namespace {

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
    const Pipe pipe(O_NONBLOCK);
    UpReader reader;
    std::size_t taken = 0;
    for (std::size_t sent_so_far = 0, pieces = 0; sent_so_far < sent.size(); pieces++) {
        const std::size_t length = std::min(piece, sent.size() - sent_so_far);
        put(pipe.writing, sent.data() + sent_so_far, length);
        sent_so_far += length;
        if (pieces % pieces_a_look == 0 && reader.fill(pipe.reading.get()).ok()) taken = take(reader, sent, taken);
    }
    while (reader.fill(pipe.reading.get()).ok()) taken = take(reader, sent, taken);
    require(taken == sent.size() / up_size * up_size);
    return 0;
}
