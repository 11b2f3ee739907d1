// What it is: by which endings of paths (".html") requests have turned out to be light: answered from a small file. What a
// request is can be told for sure only where httpd runs it; this is what to expect before it is read.
// Pure.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace itk2::plan {

// What stands behind the last part's last dot; empty where there is none.
constexpr std::string_view ending_of(std::string_view path) {
    const std::size_t last = path.find_last_of("./");
    if (last == std::string_view::npos || path[last] == '/') return {};
    return {path.data() + last + 1, path.size() - last - 1};
}

class LightEndings {
  public:
    [[nodiscard]] constexpr bool has(std::string_view path) const {
        const std::string_view ending = ending_of(path);
        return std::any_of(known_.begin(), known_.begin() + count_,
                           [ending](const Ending &known) { return known.view() == ending; });
    }
    // Where there is no room, the one known longest makes it.
    constexpr void learn(std::string_view path) {
        const std::string_view ending = ending_of(path);
        if (ending.size() > longest || has(path)) return;
        Ending &place = known_[next_];
        place.length = ending.size();
        std::copy(ending.begin(), ending.end(), place.bytes.begin());
        next_ = (next_ + 1) % most;
        count_ = std::min(count_ + 1, most);
    }
    constexpr void forget_all() { count_ = next_ = 0; }

  private:
    static constexpr std::size_t most = 16;
    static constexpr std::size_t longest = 15;
    struct Ending {
        std::array<char, longest> bytes{};
        std::size_t length = 0;

        [[nodiscard]] constexpr std::string_view view() const { return {bytes.data(), length}; }
    };

    std::array<Ending, most> known_{};
    std::size_t count_ = 0;
    std::size_t next_ = 0;
};

} // namespace itk2::plan
