// What it is: see proc_status.h.
#include "os/proc_status.h"

#include "os/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace itk2::os {

namespace {

enum class Line : std::uint8_t { uids, gids, groups, inheritable, permitted, effective, bounding, ambient, other };

constexpr const char *line_names[] = {"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
constexpr unsigned all_lines = (1u << static_cast<unsigned>(Line::other)) - 1;

// Takes the file's characters one after the other: a list of groups may be longer than any buffer.
class StatusParser {
  public:
    StatusParser(std::span<const gid_t> expected_groups, ProcStatus &status)
        : expected_groups_(expected_groups), status_(status) {}

    void take(char c) {
        if (in_name_)
            take_of_name(c);
        else if (c == '\n' || c == ' ' || c == '\t') {
            end_value();
            if (c == '\n') end_line();
        } else
            take_of_value(c);
    }

    [[nodiscard]] bool is_whole() const { return seen_ == all_lines && !broken_ && at_line_start(); }

  private:
    [[nodiscard]] bool at_line_start() const { return in_name_ && name_length_ == 0; }

    void take_of_name(char c) {
        if (c == '\n') {
            name_length_ = 0;
        } else if (c == ':') {
            line_ = line_named();
            in_name_ = false;
            values_ = 0;
        } else if (name_length_ < sizeof name_) {
            name_[name_length_++] = c;
        }
    }

    [[nodiscard]] Line line_named() const {
        for (std::size_t i = 0; i < std::size(line_names); i++)
            if (strlen(line_names[i]) == name_length_ && memcmp(line_names[i], name_, name_length_) == 0)
                return static_cast<Line>(i);
        return Line::other;
    }

    [[nodiscard]] bool is_hexadecimal() const { return line_ >= Line::inheritable; }

    void take_of_value(char c) {
        if (line_ == Line::other) return;
        unsigned digit = 16;
        if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
        if (is_hexadecimal() && c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a') + 10;
        const unsigned base = is_hexadecimal() ? 16 : 10;
        if (digit >= base || digits_ >= 16) {
            broken_ = true;
            return;
        }
        value_ = value_ * base + digit;
        digits_++;
    }

    void end_value() {
        if (digits_ == 0) return;
        store();
        values_++;
        value_ = 0;
        digits_ = 0;
    }

    void store() {
        const auto id = static_cast<std::uint32_t>(value_);
        switch (line_) {
        case Line::uids:
            if (values_ < 4) status_.uids[values_] = id;
            break;
        case Line::gids:
            if (values_ < 4) status_.gids[values_] = id;
            break;
        case Line::groups:
            status_.group_count++;
            if (std::binary_search(expected_groups_.begin(), expected_groups_.end(), id)) status_.known_groups++;
            break;
        case Line::inheritable: status_.inheritable = value_; break;
        case Line::permitted: status_.permitted = value_; break;
        case Line::effective: status_.effective = value_; break;
        case Line::bounding: status_.bounding = value_; break;
        case Line::ambient: status_.ambient = value_; break;
        case Line::other: break;
        }
    }

    void end_line() {
        const bool ids = line_ == Line::uids || line_ == Line::gids;
        const bool right_count = ids ? values_ == 4 : line_ == Line::groups || line_ == Line::other || values_ == 1;
        if (!right_count) broken_ = true;
        if (line_ != Line::other) seen_ |= 1u << static_cast<unsigned>(line_);
        in_name_ = true;
        name_length_ = 0;
    }

    std::span<const gid_t> expected_groups_;
    ProcStatus &status_;
    char name_[16] = {};
    std::size_t name_length_ = 0;
    bool in_name_ = true;
    bool broken_ = false;
    Line line_ = Line::other;
    unsigned seen_ = 0;
    std::size_t values_ = 0;
    std::size_t digits_ = 0;
    std::uint64_t value_ = 0;
};

} // namespace

Result read_proc_status(const char *path, std::span<const gid_t> expected_groups, ProcStatus &status) {
    const Fd file{open(path, O_RDONLY | O_CLOEXEC)};
    if (!file.is_open()) return failed(Step::verify_proc);
    return read_proc_status(file.get(), expected_groups, status);
}

Result read_proc_status(int file, std::span<const gid_t> expected_groups, ProcStatus &status) {
    status = {};
    StatusParser parser{expected_groups, status};
    char buffer[4096];
    for (;;) {
        const ssize_t length = read(file, buffer, sizeof buffer);
        if (length < 0 && errno == EINTR) continue;
        if (length < 0) return failed(Step::verify_proc);
        if (length == 0) break;
        for (ssize_t i = 0; i < length; i++) parser.take(buffer[i]);
    }
    return parser.is_whole() ? success : refused(Step::verify_proc);
}

} // namespace itk2::os
