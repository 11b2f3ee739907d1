// What it is: names of users and groups turned into ids while a request waits: with a deadline, and remembered a while.
// The account database may hang, crash or answer anything, so a forked child asks it. No httpd type.
// Runs as: a parser or a worker; needs no privilege.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace itk2::httpd {

enum class NameKind : std::uint8_t { user, group };

struct NameAnswer {
    enum class Outcome : std::uint8_t {
        found,
        unknown,
        failed,  // `error`: why the database could not be asked
        too_late // it did not answer in time
    };
    Outcome outcome = Outcome::failed;
    std::uint32_t id = 0;
    int error = 0;
};

// Asks, however long that takes.
using Ask = NameAnswer (*)(NameKind kind, const char *name);
NameAnswer ask_account_database(NameKind kind, const char *name);

// Has a child ask, and ends it at the deadline. Leaves other children and SIGCHLD alone.
NameAnswer ask_in_child(Ask ask, NameKind kind, const char *name, std::uint32_t timeout_ms);

// What was answered, for a while. Direct-mapped: of two names that meet in a place the later one stays.
class NameCache {
  public:
    static constexpr std::size_t longest_name = 255;

    // Null where the name is not known any more.
    [[nodiscard]] const NameAnswer *find(NameKind kind, const char *name, std::int64_t now_ms) const;
    // Only found and unknown are kept; longer names are not.
    void remember(NameKind kind, const char *name, const NameAnswer &answer, std::int64_t until_ms);

  private:
    struct Entry {
        std::int64_t until_ms = 0;
        NameAnswer answer;
        NameKind kind = NameKind::user;
        std::array<char, longest_name + 1> name{};
    };
    static constexpr std::size_t size = 256;
    static std::size_t place_of(NameKind kind, const char *name);
    std::array<Entry, size> entries_{};
};

struct LookupLimits {
    std::uint32_t timeout_ms;
    std::uint32_t cache_s; // how long an answer is good for
};

// From this process's cache, else from a child that uses `ask`.
NameAnswer look_up_name(NameKind kind, const char *name, const LookupLimits &limits, Ask ask = ask_account_database);

} // namespace itk2::httpd
