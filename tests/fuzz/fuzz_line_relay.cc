// Any bytes at all, that two processes put into their logs' pipes in turn: no line of the file holds bytes of both, and
// none is lost.
#include "requiring.h"

#include "os/line_relay.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

using namespace itk2;
using namespace itk2::testing;
using namespace itk2::os;

namespace {

constexpr std::size_t most_bytes = 4096;

// What tells whose a byte is. Line feeds are anybody's.
bool is_seconds(char byte) { return (byte & 0x80) != 0; }

struct Writer {
    Fd pipe;
    std::string text; // but for line feeds
    void put(const std::uint8_t *bytes, std::size_t size, bool second) {
        std::string sent;
        for (std::size_t i = 0; i < size; i++) {
            const char byte = bytes[i] == '\n' ? '\n' : static_cast<char>(second ? bytes[i] | 0x80 : bytes[i] & 0x7f);
            sent += byte;
            if (byte != '\n') text += byte;
        }
        testing::put(pipe, sent.data(), sent.size());
    }
};

std::string read_back(int file) {
    std::string text(std::size_t{4} * most_bytes, '\0');
    const ssize_t length = pread(file, text.data(), text.size(), 0);
    require(length >= 0);
    text.resize(static_cast<std::size_t>(length));
    return text;
}

void check(const std::string &text, const std::array<Writer, 2> &writers) {
    std::array<std::string, 2> found;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = text.find('\n', begin);
        require(end != std::string::npos);
        for (std::size_t i = begin; i < end; i++) {
            require(is_seconds(text[i]) == is_seconds(text[begin]));
            found[is_seconds(text[i])] += text[i];
        }
        begin = end + 1;
    }
    require(found[0] == writers[0].text && found[1] == writers[1].text);
}

} // namespace

// Pieces: a byte that says whose and how long, then as many bytes as there are of these.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    size = std::min(size, most_bytes);
    const Fd file{memfd_create("log", MFD_CLOEXEC)};
    const Pipe also;
    std::array<Writer, 2> writers;
    {
        LineRelay relay;
        require(relay.open(also.reading.get()).ok());
        for (Writer &writer : writers) {
            Pipe pipe;
            require(relay.add(std::move(pipe.reading), Fd{dup(file.get())}).ok());
            writer.pipe = std::move(pipe.writing);
        }
        for (std::size_t at = 0; at < size;) {
            const bool second = (data[at] & 0x80) != 0;
            const std::size_t length = std::min<std::size_t>(data[at] & 0x7f, size - at - 1);
            writers[second].put(data + at + 1, length, second);
            at += length + 1;
            (void)relay.turn(0);
        }
        while (relay.turn(0).moved) {}
        relay.finish();
    }
    check(read_back(file.get()), writers);
    return 0;
}
