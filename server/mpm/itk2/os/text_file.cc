// What it is: see text_file.h.
#include "os/text_file.h"

#include "os/fd.h"

#include <fcntl.h>
#include <unistd.h>

namespace itk2::os {

Result TextFile::read(const char *path, Step step) {
    constexpr std::size_t room = 4096;
    text_.shrink(0);
    const Fd file{open(path, O_RDONLY | O_CLOEXEC)};
    if (!file.is_open()) return failed(step);
    for (;;) {
        const std::size_t before = text_.size();
        char *place = text_.extend(room);
        if (place == nullptr) return refused(step, ENOMEM);
        const ssize_t length = ::read(file.get(), place, room);
        const Result result = length < 0 ? failed(step) : success;
        text_.shrink(before + (length < 0 ? 0 : static_cast<std::size_t>(length)));
        if (length < 0 && result.error != EINTR) return result;
        if (length == 0) return success;
    }
}

Result write_text(const char *path, std::string_view text, Step step) {
    const Fd file{open(path, O_WRONLY | O_CLOEXEC)};
    if (!file.is_open()) return failed(step);
    const ssize_t length = write(file.get(), text.data(), text.size());
    if (length < 0) return failed(step);
    return static_cast<std::size_t>(length) == text.size() ? success : refused(step, EIO);
}

std::string_view take_word(std::string_view &rest, char separator) {
    const std::size_t end = rest.find(separator);
    const std::string_view word(rest.data(), end == rest.npos ? rest.size() : end);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    return word;
}

std::uint64_t leading_number(std::string_view text) {
    std::uint64_t value = 0;
    for (const char digit : text) {
        if (digit < '0' || digit > '9') break;
        value = value * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    return value;
}

} // namespace itk2::os
