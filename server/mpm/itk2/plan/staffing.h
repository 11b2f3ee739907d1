// What it is: who needs a worker, whose turn it is, and who has to wait because his children die at birth.
// Pure: the clock is an argument. Its memory is malloc'ed plain data: it outlives reloads of the module.
#pragma once

#include "base/ids.h"

#include <cstdint>

namespace itk2::plan {

// Listeners where the configuration names no number: one keeps eight cores busy.
constexpr std::uint32_t default_listeners(std::uint32_t cores) { return cores <= 8 ? 1 : (cores + 7) / 8; }

enum class Cause : std::uint8_t {
    step,  // a step before serving failed: it will again; waits grow up to half a minute
    crash, // it died of what it served, or perhaps did: waits grow up to a second, for the sake of other clients
};

// Waits longer after each birth that failed; forgets after one that did not.
class Throttle {
  public:
    void birth_failed(std::int64_t now_ms, Cause cause = Cause::step);
    void birth_succeeded() { failures_ = 0; }
    // One that has served died by itself. Now and then costs nothing; again and again, a wait: true where there is one now.
    bool crashed(std::int64_t now_ms);
    [[nodiscard]] std::int64_t not_before_ms() const { return failures_ == 0 ? 0 : not_before_ms_; }
    [[nodiscard]] std::uint32_t wait_ms() const;

  private:
    std::uint32_t failures_ = 0;
    Cause cause_ = Cause::step;
    std::int64_t not_before_ms_ = 0;
    std::uint32_t crashes_ = 0; // of late
    std::int64_t crashed_ms_ = 0;
};

struct Need {
    std::uint32_t listener = 0;
    IdentityKey identity = no_identity;
};

class Staffing {
  public:
    // Room for this many; keeps what is there. False when memory is short. The memory lives on after this object,
    // until give_back().
    [[nodiscard]] bool reserve(std::uint32_t listeners, std::uint32_t identities);

    // A listener's count of workers it ever asked for, or, of no_identity, of parsers. False when it names no identity, or asks for a number that
    // no listener asks for.
    [[nodiscard]] bool asked(std::uint32_t listener, IdentityKey identity, std::uint32_t total);
    // One has been given, asked for or not.
    void given(const Need &need);
    // A listener that has ended asks for nothing, and a new one counts afresh.
    void forget_asked(std::uint32_t listener);

    [[nodiscard]] bool anyone_needs() const { return pending_ > 0; }
    // Looks for a need that is not held back by its identity's throttle. `looked` is how many places of a round have
    // been looked at: 0 at first; call again with it for the next one. A round begins after the need met last.
    [[nodiscard]] bool next(std::int64_t now_ms, std::uint32_t &looked, Need &need) const;

    // Of an identity's workers, or of parsers.
    [[nodiscard]] Throttle *throttle(IdentityKey identity);
    // Empties it and gives its memory back.
    void give_back();

  private:
    struct Count {
        std::uint32_t asked;
        std::uint32_t given;
    };
    // A row for the parsers, then one for each identity.
    static constexpr std::uint32_t row_of(IdentityKey identity) {
        return identity == no_identity ? 0 : number(identity) + 1;
    }
    static constexpr IdentityKey identity_of(std::uint32_t row) {
        return row == 0 ? no_identity : IdentityKey{row - 1};
    }
    Count &count(std::uint32_t listener, std::uint32_t row) { return counts_[row * listeners_ + listener]; }

    Count *counts_ = nullptr;
    Throttle *throttles_ = nullptr;
    std::uint32_t listeners_ = 0;
    std::uint32_t rows_ = 0;
    std::uint32_t pending_ = 0;
    std::uint32_t turn_ = 0;
};

} // namespace itk2::plan
