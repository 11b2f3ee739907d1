// What it is: the two wheels behind the deadlines.
#include "listener/timers.h"

#include <algorithm>
#include <bit>

namespace itk2::listener {

Timers::Wheel::Wheel() {
    for (Link &end : slot) end.before = end.after = &end;
}

void Timers::Wheel::add(Timer &timer, std::uint64_t at) {
    const std::uint64_t index = at % slots;
    timer.insert_before(slot[index]);
    used[index / 64] |= std::uint64_t{1} << index % 64;
}

std::uint64_t Timers::Wheel::distance(std::uint64_t from) const {
    for (std::uint64_t ahead = 1; ahead <= slots;) {
        const std::uint64_t index = (from + ahead) % slots;
        const std::uint64_t rest = used[index / 64] >> index % 64;
        if (rest != 0) return ahead + static_cast<std::uint64_t>(std::countr_zero(rest));
        ahead += 64 - index % 64;
    }
    return 0;
}

void Timers::Wheel::take(std::uint64_t at, Link &into) {
    const std::uint64_t index = at % slots;
    Link &end = slot[index];
    used[index / 64] &= ~(std::uint64_t{1} << index % 64);
    into.before = into.after = &into;
    if (end.after == &end) return;
    into.before = end.before;
    into.after = end.after;
    into.before->after = into.after->before = &into;
    end.before = end.after = &end;
}

Timers::Timers(std::uint64_t now) : at_(now >> tick_bits) {}

void Timers::arm(Timer &timer, std::uint64_t due) {
    timer.due = due;
    if (timer.is_linked()) {
        if (timer.placed_for <= due) return;
        timer.unlink();
    }
    place(timer);
}

void Timers::forget(Timer &timer) {
    timer.due = 0;
    timer.unlink();
}

void Timers::place(Timer &timer) {
    timer.placed_for = timer.due;
    const std::uint64_t round_up = (1 << tick_bits) - 1;
    const std::uint64_t at = std::max((timer.due + round_up) >> tick_bits, at_ + 1);
    if (at - at_ <= slots) return near_.add(timer, at);
    far_.add(timer, std::min(at >> slot_bits, (at_ >> slot_bits) + slots - 1));
}

bool Timers::advance(std::uint64_t now) {
    const std::uint64_t until = now >> tick_bits;
    if (at_ >= until) return false;
    at_++;
    if (at_ % slots != 0) return true;
    Link reached;
    far_.take(at_ >> slot_bits, reached);
    at_--; // so that what is due at this very tick finds its place in it
    while (reached.after != &reached) {
        auto &timer = static_cast<Timer &>(*reached.after);
        timer.unlink();
        if (timer.due != 0) place(timer);
    }
    at_++;
    reached.before = reached.after = nullptr;
    return true;
}

int Timers::wait_ms(std::uint64_t now) const {
    const std::uint64_t near = near_.distance(at_);
    const std::uint64_t far = far_.distance(at_ >> slot_bits);
    if (near == 0 && far == 0) return -1;
    std::uint64_t tick = UINT64_MAX;
    if (near != 0) tick = at_ + near;
    if (far != 0) tick = std::min(tick, ((at_ >> slot_bits) + far) << slot_bits);
    const std::uint64_t when = tick << tick_bits;
    return when <= now ? 0 : static_cast<int>(when - now);
}

} // namespace itk2::listener
