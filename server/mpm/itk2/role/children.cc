// What it is: the child table's bookkeeping.
#include "role/children.h"

#include <unistd.h>

#include <cstdlib>
#include <utility>

namespace itk2::role {
namespace {

void close_ends(Child &child) {
    if (child.down >= 0) close(child.down);
    if (child.up >= 0) close(child.up);
    child.down = child.up = -1;
}

} // namespace

bool Children::reserve(std::uint32_t capacity, std::uint32_t slots) {
    if (capacity > capacity_) {
        auto *grown = static_cast<Child *>(realloc(children_, capacity * sizeof(Child)));
        if (grown == nullptr) return false;
        children_ = grown;
        for (; capacity_ < capacity; capacity_++) children_[capacity_] = Child{};
    }
    if (slots > slot_count_) {
        auto *grown = static_cast<std::uint32_t *>(realloc(slots_, slots * sizeof(std::uint32_t)));
        if (grown == nullptr) return false;
        slots_ = grown;
        for (; slot_count_ < slots; slot_count_++) slots_[slot_count_] = 0;
    }
    return true;
}

Child *Children::unused() {
    for (Child &child : all())
        if (child.stage == Stage::none) return &child;
    return nullptr;
}

Child *Children::find(pid_t pid) {
    for (Child &child : all())
        if (child.stage != Stage::none && child.pid == pid) return &child;
    return nullptr;
}

Child *Children::find_worker(Slot slot, WorkerId worker) {
    if (number(slot) >= slot_count_ || slots_[number(slot)] == 0) return nullptr;
    Child &child = children_[slots_[number(slot)] - 1];
    return child.worker == worker ? &child : nullptr;
}

bool Children::free_slot(std::uint32_t limit, Slot &slot) const {
    for (std::uint32_t i = 0; i < limit && i < slot_count_; i++) {
        if (slots_[i] != 0) continue;
        slot = Slot{i};
        return true;
    }
    return false;
}

bool Children::is_free(Slot slot) const { return number(slot) < slot_count_ && slots_[number(slot)] == 0; }

void Children::take_slot(Child &child, Slot slot, Stage stage) {
    slots_[number(slot)] = static_cast<std::uint32_t>(&child - children_) + 1;
    child.slot = slot;
    child.stage = stage;
    workers_++;
}

void Children::identify(Child &parser, IdentityKey identity) {
    parser.stage = Stage::worker;
    parser.identity = identity;
    parser.is_asking = false;
    parser.was_parser = true;
    close_ends(parser);
}

void Children::remove(Child &child) {
    if (child.stage == Stage::worker || child.stage == Stage::parser) {
        slots_[number(child.slot)] = 0;
        workers_--;
    }
    close_ends(child);
    child = Child{};
}

std::uint32_t Children::workers_of(IdentityKey identity) const {
    std::uint32_t found = 0;
    for (std::uint32_t i = 0; i < capacity_; i++)
        found += children_[i].stage == Stage::worker && children_[i].identity == identity && !children_[i].was_parser;
    return found;
}

bool Children::has_worker(IdentityKey identity, Generation generation) const {
    for (std::uint32_t i = 0; i < capacity_; i++)
        if (children_[i].stage == Stage::worker && children_[i].identity == identity &&
            children_[i].generation == generation && !children_[i].was_parser)
            return true;
    return false;
}

std::uint32_t Children::spares(Generation generation, bool set_uid_programs) const {
    std::uint32_t found = 0;
    for (std::uint32_t i = 0; i < capacity_; i++)
        found += children_[i].stage == Stage::spare && !children_[i].dismissed &&
                 children_[i].generation == generation && children_[i].has_set_uid_programs == set_uid_programs;
    return found;
}

std::uint32_t Children::parsers() const {
    std::uint32_t found = 0;
    for (std::uint32_t i = 0; i < capacity_; i++) found += children_[i].stage == Stage::parser;
    return found;
}

std::uint32_t Children::parsers(Generation generation, std::uint32_t listener) const {
    std::uint32_t found = 0;
    for (std::uint32_t i = 0; i < capacity_; i++)
        found += children_[i].stage == Stage::parser && children_[i].generation == generation &&
                 children_[i].listener == listener;
    return found;
}

std::uint32_t Children::count() const {
    std::uint32_t found = 0;
    for (std::uint32_t i = 0; i < capacity_; i++) found += children_[i].stage != Stage::none;
    return found;
}

void Children::give_back() {
    free(children_);
    free(slots_);
    *this = Children{};
}

} // namespace itk2::role
