// What it is: hints, in sets of four.
#include "listener/hints.h"

#include <algorithm>

namespace itk2::listener {
namespace {

std::uint32_t seconds(std::uint64_t ms) {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(ms / 1000, UINT32_MAX));
}

} // namespace

void Hints::start(bool is_needed, std::size_t vhost_count) {
    sets_.clear();
    wrong_.assign(is_needed ? vhost_count : 0, 0);
    if (is_needed)
        sets_.resize(most / ways);
    else
        sets_.shrink_to_fit();
}

Hints::Hint *Hints::use(plan::HintKey key) {
    if (sets_.empty() || key == plan::no_hint) return nullptr;
    Set &set = set_of(key);
    const auto found = std::find_if(set.begin(), set.end(), [key](const Hint &hint) { return hint.key == key; });
    if (found == set.end()) return nullptr;
    std::rotate(set.begin(), found, found + 1);
    return set.data();
}

Hints::Hint &Hints::add(plan::HintKey key) {
    Set &set = set_of(key);
    std::rotate(set.begin(), set.end() - 1, set.end());
    set.front() = {key, no_identity, 0};
    return set.front();
}

void Hints::distrust(Hint &hint, std::uint64_t now_ms) {
    hint.identity = no_identity;
    hint.until_s = seconds(now_ms + distrust_ms);
}

IdentityKey Hints::find(plan::HintKey key, std::uint64_t now_ms) {
    Hint *hint = use(key);
    if (hint == nullptr || hint->identity == no_identity) return no_identity;
    if (hint->until_s > seconds(now_ms)) return hint->identity;
    *hint = {key, no_identity, 0};
    return no_identity;
}

void Hints::learn(plan::HintKey key, IdentityKey identity, std::uint64_t now_ms, std::uint64_t until_ms) {
    if (sets_.empty() || key == plan::no_hint) return;
    const IdentityKey expected = find(key, now_ms);
    Hint *hint = use(key);
    if (hint == nullptr) hint = &add(key);
    if (expected != no_identity && expected != identity) return distrust(*hint, now_ms);
    if (expected == no_identity && seconds(now_ms) < hint->until_s) return;
    hint->identity = identity;
    hint->until_s = seconds(until_ms);
}

bool Hints::refute(plan::HintKey key, VhostIndex vhost, IdentityKey identity, std::uint64_t now_ms) {
    Hint *hint = use(key);
    if (hint == nullptr || hint->identity != identity) return false;
    distrust(*hint, now_ms);
    return are_trusted(vhost) && ++wrong_[number(vhost)] == most_wrong;
}

std::size_t Hints::count() const {
    std::size_t count = 0;
    for (const Set &set : sets_)
        count += static_cast<std::size_t>(
            std::count_if(set.begin(), set.end(), [](const Hint &hint) { return hint.key != plan::no_hint; }));
    return count;
}

} // namespace itk2::listener
