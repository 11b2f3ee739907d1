// What it is: how many idle workers are to end so that others can have their places, where there may be no more.
// Pure: the clock is an argument. Plain data: it outlives reloads of the module.
#pragma once

#include <cstdint>

namespace itk2::plan {

class Evictions {
  public:
    // One for each that waits, and no second one for the same. `waiting`: those that find every place taken, this one
    // included. True: ask for one.
    [[nodiscard]] bool ask(std::uint32_t waiting, std::int64_t now_ms) {
        return ask_up_to(waiting < most_at_once ? waiting : most_at_once, now_ms);
    }
    // One that has no worker finds every place taken.
    void places_change_hands(std::int64_t now_ms) { needed_ms_ = now_ms; }
    // Nobody waits, but every place is taken: as long as places change hands, the next one shall find one free.
    [[nodiscard]] bool ask_ahead(std::int64_t now_ms) {
        const bool changes_hands = needed_ms_ != never && now_ms - needed_ms_ < recently_ms;
        return changes_hands && ask_up_to(1, now_ms);
    }
    void worker_ended() {
        if (asked_ > 0) asked_--;
    }

  private:
    static constexpr std::uint32_t most_at_once = 16;
    static constexpr std::int64_t patience_ms = 50; // then it is asked again
    // The first one after that waits for a worker to end: one in so many that hardly anybody notices.
    static constexpr std::int64_t recently_ms = 10'000;
    static constexpr std::int64_t never = -1;

    bool ask_up_to(std::uint32_t most, std::int64_t now_ms) {
        if (now_ms - asked_ms_ > patience_ms) asked_ = 0;
        if (asked_ >= most) return false;
        asked_++;
        asked_ms_ = now_ms;
        return true;
    }

    std::uint32_t asked_ = 0; // and not yet seen to end
    std::int64_t asked_ms_ = 0;
    std::int64_t needed_ms_ = never;
};

} // namespace itk2::plan
