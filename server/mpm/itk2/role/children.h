// What it is: the master's own table of its children; no other process can write it.
// Its memory outlives reloads of the module, so it holds plain data only: no pointer into the module.
#pragma once

#include "base/ids.h"
#include "plan/wish.h"

#include <sys/types.h>

#include <cstdint>
#include <span>

namespace itk2::role {

enum class Stage : std::uint8_t {
    none,
    spare,  // waits for an order; the master holds its channel
    parser, // has a slot and no identity yet; a listener holds its channel, the master its link
    worker, // has an identity; a listener holds its channel
};

struct Child {
    Stage stage = Stage::none;
    pid_t pid = 0;
    Generation generation{};
    std::int64_t since_ms = 0; // spare, parser: forked; worker: ordered, or granted
    // spare: its channel; parser: its link
    int down = -1;
    int up = -1;
    // spare only
    std::uint32_t known_identities = 0; // those that there were at its fork
    bool has_set_uid_programs = false;  // for identities that have
    bool dismissed = false;             // its channel was closed: it is about to end
    // parser only
    bool is_asking = false;   // `wish` is yet to be answered
    bool was_refused = false; // and has nothing more to ask
    plan::Wish wish;
    // parser, worker
    bool has_served = false; // or begun to: its birth is over
    bool was_parser = false; // a worker that has come out of one: serves what that was given, and nothing more
    Slot slot{};
    WorkerId worker{};
    IdentityKey identity = no_identity;
    std::uint32_t listener = 0;
    pid_t listener_pid = 0; // the one that was told of it
};

class Children {
  public:
    // Room for this many; keeps what is there. False when memory is short. The memory lives on after this object,
    // until give_back().
    [[nodiscard]] bool reserve(std::uint32_t capacity, std::uint32_t slots);

    [[nodiscard]] std::span<Child> all() { return {children_, capacity_}; }
    // An unused entry, or nullptr.
    Child *unused();
    Child *find(pid_t pid);
    // The worker or parser in this slot with this id, or nullptr.
    Child *find_worker(Slot slot, WorkerId worker);
    // The lowest slot below `limit` that nobody has; false when all are taken.
    [[nodiscard]] bool free_slot(std::uint32_t limit, Slot &slot) const;

    [[nodiscard]] bool is_free(Slot slot) const;

    void take_slot(Child &child, Slot slot, Stage stage);
    // The parser has become this identity: a worker from now on. Closes its link.
    void identify(Child &parser, IdentityKey identity);
    // Empties the entry, closes its channel if the master holds one, and frees its slot.
    void remove(Child &child);

    // Workers and parsers.
    [[nodiscard]] std::uint32_t workers() const { return workers_; }
    // Those that take connections: not those that have come out of a parser.
    [[nodiscard]] std::uint32_t workers_of(IdentityKey identity) const;
    // Whether any of that generation has the memory that is this identity's own: not those that have come out of a parser.
    [[nodiscard]] bool has_worker(IdentityKey identity, Generation generation) const;
    [[nodiscard]] std::uint32_t spares(Generation generation, bool set_uid_programs) const;
    [[nodiscard]] std::uint32_t parsers() const;
    [[nodiscard]] std::uint32_t parsers(Generation generation, std::uint32_t listener) const;
    [[nodiscard]] std::uint32_t count() const;
    // Empties it and gives its memory back.
    void give_back();

  private:
    Child *children_ = nullptr;      // malloc'ed, as long as the master lives
    std::uint32_t *slots_ = nullptr; // slot -> entry + 1; 0: free
    std::uint32_t capacity_ = 0;
    std::uint32_t slot_count_ = 0;
    std::uint32_t workers_ = 0;
};

} // namespace itk2::role
