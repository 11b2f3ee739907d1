// What it is: counting needs, taking turns, holding back.
#include "plan/staffing.h"

#include <cstdlib>

namespace itk2::plan {
namespace {

constexpr std::uint32_t first_wait_ms = 100;
constexpr std::uint32_t longest_wait_ms = 30'000;
constexpr std::uint32_t longest_wait_after_crash_ms = 1'000;
// Crashes that nobody has to wait for, and how long one of them counts.
constexpr std::uint32_t crashes_forgiven = 3;
constexpr std::int64_t crash_forgotten_ms = 5'000;
// More than any listener can have connections waiting.
constexpr std::uint32_t most_asked_at_once = 1u << 20;

} // namespace

std::uint32_t Throttle::wait_ms() const {
    const std::uint32_t longest = cause_ == Cause::step ? longest_wait_ms : longest_wait_after_crash_ms;
    std::uint32_t wait = first_wait_ms;
    for (std::uint32_t i = 1; i < failures_ && wait < longest; i++) wait *= 2;
    return wait < longest ? wait : longest;
}

void Throttle::birth_failed(std::int64_t now_ms, Cause cause) {
    // Children that were born together and fail together count once.
    if (failures_ > 0 && now_ms < not_before_ms_) return;
    failures_++;
    cause_ = cause;
    not_before_ms_ = now_ms + wait_ms();
}

bool Throttle::crashed(std::int64_t now_ms) {
    const std::int64_t forgotten = (now_ms - crashed_ms_) / crash_forgotten_ms;
    crashes_ = forgotten < crashes_ ? crashes_ - static_cast<std::uint32_t>(forgotten) : 0;
    crashes_++;
    crashed_ms_ = now_ms;
    if (crashes_ <= crashes_forgiven) {
        failures_ = 0;
        return false;
    }
    const bool waits_already = failures_ > 0 && now_ms < not_before_ms_;
    birth_failed(now_ms, Cause::crash);
    return !waits_already;
}

bool Staffing::reserve(std::uint32_t listeners, std::uint32_t identities) {
    if (listeners_ != 0 && listeners != listeners_) return false;
    listeners_ = listeners;
    const std::uint32_t rows = identities + 1;
    if (rows <= rows_) return true;
    auto *counts = static_cast<Count *>(realloc(counts_, sizeof(Count) * listeners * rows));
    if (counts == nullptr) return false;
    counts_ = counts;
    auto *throttles = static_cast<Throttle *>(realloc(throttles_, sizeof(Throttle) * rows));
    if (throttles == nullptr) return false;
    throttles_ = throttles;
    for (; rows_ < rows; rows_++) {
        throttles_[rows_] = Throttle{};
        for (std::uint32_t listener = 0; listener < listeners_; listener++) count(listener, rows_) = Count{0, 0};
    }
    return true;
}

bool Staffing::asked(std::uint32_t listener, IdentityKey identity, std::uint32_t total) {
    if (listener >= listeners_ || row_of(identity) >= rows_) return false;
    Count &count = this->count(listener, row_of(identity));
    // Counts only grow or are taken back to what was given; the difference survives their running over.
    std::uint32_t outstanding = total - count.given;
    if (static_cast<std::int32_t>(outstanding) < 0) outstanding = 0;
    if (outstanding > most_asked_at_once) return false;
    const std::uint32_t before = count.asked - count.given;
    count.asked = count.given + outstanding;
    pending_ = pending_ - before + outstanding;
    return true;
}

void Staffing::given(const Need &need) {
    const std::uint32_t row = row_of(need.identity);
    Count &count = this->count(need.listener, row);
    count.given++;
    if (count.asked + 1 == count.given) { // nobody had asked
        count.asked++;
        return;
    }
    pending_--;
    turn_ = (row * listeners_ + need.listener + 1) % (listeners_ * rows_);
}

void Staffing::forget_asked(std::uint32_t listener) {
    for (std::uint32_t row = 0; row < rows_; row++) {
        Count &count = this->count(listener, row);
        pending_ -= count.asked - count.given;
        count = Count{0, 0};
    }
}

bool Staffing::next(std::int64_t now_ms, std::uint32_t &looked, Need &need) const {
    if (pending_ == 0) return false;
    const std::uint32_t places = listeners_ * rows_;
    for (; looked < places; looked++) {
        const std::uint32_t place = (turn_ + looked) % places;
        if (counts_[place].asked == counts_[place].given) continue;
        if (throttles_[place / listeners_].not_before_ms() > now_ms) continue;
        need.listener = place % listeners_;
        need.identity = identity_of(place / listeners_);
        looked++;
        return true;
    }
    return false;
}

Throttle *Staffing::throttle(IdentityKey identity) {
    return row_of(identity) < rows_ ? &throttles_[row_of(identity)] : nullptr;
}

void Staffing::give_back() {
    free(counts_);
    free(throttles_);
    *this = Staffing{};
}

} // namespace itk2::plan
